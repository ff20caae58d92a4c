import { generateKeyPairSync, hash, sign, type KeyObject } from 'node:crypto';
import { canonicalize } from '@tufjs/canonical-json';
import { Key, Signature } from '@tufjs/models';
import { ConfigError } from '../errors.ts';
import { parseEd25519Key } from './ed25519-key.ts';

/** An ed25519 key that signs for one role. */
export interface SigningKey {
  /** Its public half, with the id that root knows it by. */
  readonly key: Key;
  /** Signs the canonical form of what a metadata file says. */
  readonly signer: (bytes: Buffer) => Signature;
}

/** The keys that a release needs. The root key is not among them: it may lie in a safe. */
export interface SigningKeys {
  readonly targets: SigningKey;
  readonly snapshot: SigningKey;
  readonly timestamp: SigningKey;
}

/** A new key, and its PKCS#8 PEM for the file. */
export function generateKey(): { pem: string; key: SigningKey } {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { pem, key: signingKey(privateKey) };
}

/**
 * Reads a key from PKCS#8 PEM; `path` is for the message.
 * @throws ConfigError CONFIG_INVALID when it is not an ed25519 private key.
 */
export function parseKey(path: string, pem: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = parseEd25519Key(pem);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'CONFIG_INVALID',
      `${path} is not an ed25519 private key in PKCS#8 PEM, as "seeder keys init" writes it: ${why}`,
      { cause, evidence: { path } },
    );
  }
  return signingKey(privateKey);
}

/** TUF 1.0, "4.2. File formats: general principles": an ed25519 key, and its id. */
function signingKey(privateKey: KeyObject): SigningKey {
  const { x } = privateKey.export({ format: 'jwk' });
  const publicHex = Buffer.from(x ?? '', 'base64url').toString('hex');
  const parts = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: publicHex } };
  const keyID = hash('sha256', canonicalize(parts));
  return {
    key: Key.fromJSON(keyID, parts),
    signer: (bytes) => new Signature({ keyID, sig: sign(null, bytes, privateKey).toString('hex') }),
  };
}
