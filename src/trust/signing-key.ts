import { createPublicKey, generateKeyPairSync, hash, sign, type KeyObject } from 'node:crypto';
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

/** The keys that a whole release needs. The root key is not among them: it may lie in a safe. */
export type SigningKeys = Readonly<Record<'targets' | 'snapshot' | 'timestamp', SigningKey>>;

/** The keys that someone has; which of them sign for a role, the role's own list of keys says. */
export type Keyring = readonly SigningKey[] | Readonly<Record<string, SigningKey>>;

/**
 * Those of the keys that may sign for a role.
 * @throws ConfigError CONFIG_INVALID when there is none.
 */
export function signersFor(
  keys: Keyring,
  role: { readonly name: string; readonly keyIds: readonly string[] },
): SigningKey[] {
  const all = Object.values(keys);
  const signers = all.filter(({ key }) => role.keyIds.includes(key.keyID));
  if (signers.length > 0) return signers;
  throw new ConfigError(
    'CONFIG_INVALID',
    `None of the keys that were given may sign ${role.name}.json: they and the root.json that was given belong to different repositories, or the keys were replaced`,
    {
      evidence: { role: role.name, expected: role.keyIds, actual: all.map(({ key }) => key.keyID) },
    },
  );
}

/** A new key, its PKCS#8 PEM for the file, and the PEM of its public half. */
export function generateKey(): { pem: string; publicPem: string; key: SigningKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { pem, publicPem, key: signingKey(privateKey) };
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

/**
 * Reads the public half of a key from SPKI PEM; `path` is for the message.
 * @throws ConfigError CONFIG_INVALID when it is not one of ed25519.
 */
export function parsePublicKey(path: string, pem: string): Key {
  try {
    if (pem.includes('PRIVATE'))
      throw new Error('it is a private key, which nobody should be given');
    const publicKey = createPublicKey({ key: pem, format: 'pem' });
    if (publicKey.asymmetricKeyType === 'ed25519') return tufKey(publicKey);
    throw new Error(`it is a key of the type ${publicKey.asymmetricKeyType ?? 'unknown'}`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'CONFIG_INVALID',
      `${path} is not the public half of an ed25519 key in PEM, as "seeder keys create" writes it: ${why}`,
      { cause, evidence: { path } },
    );
  }
}

function signingKey(privateKey: KeyObject): SigningKey {
  const key = tufKey(privateKey);
  const { keyID } = key;
  return {
    key,
    signer: (bytes) => new Signature({ keyID, sig: sign(null, bytes, privateKey).toString('hex') }),
  };
}

/** TUF 1.0, "4.2. File formats: general principles": an ed25519 key, and its id. */
function tufKey(either: KeyObject): Key {
  const { x } = either.export({ format: 'jwk' });
  const publicHex = Buffer.from(x ?? '', 'base64url').toString('hex');
  const parts = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: publicHex } };
  return Key.fromJSON(hash('sha256', canonicalize(parts)), parts);
}
