import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey, Ed25519PublicKey } from '@libp2p/interface';
import type { Identity } from '../trust/sealed.ts';

/**
 * A host's identity as libp2p wants a private key: it signs and never shows the key itself, which
 * libp2p needs only to store keys or to make new ones of them.
 */
export function libp2pKey(identity: Identity): Ed25519PrivateKey {
  const publicKey = publicKeyFromRaw(identity.publicKey) as Ed25519PublicKey;
  return {
    type: 'Ed25519',
    publicKey,
    get raw(): Uint8Array {
      throw new Error('the private key of a host is not given out');
    },
    equals: (key?: { publicKey?: unknown }) => publicKey.equals(key?.publicKey),
    sign: (data) => identity.sign(data.subarray()),
  };
}
