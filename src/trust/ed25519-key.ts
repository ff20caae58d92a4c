import { createPrivateKey, type KeyObject } from 'node:crypto';

/**
 * Reads a private key from PKCS#8 PEM.
 * @throws Error when it is malformed, or of another type than ed25519; the caller says whose key it is
 */
export function parseEd25519Key(pem: string): KeyObject {
  const privateKey = createPrivateKey({ key: pem, format: 'pem' });
  if (privateKey.asymmetricKeyType === 'ed25519') return privateKey;
  throw new Error(`it is a key of the type ${privateKey.asymmetricKeyType ?? 'unknown'}`);
}
