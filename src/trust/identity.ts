import { createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { ConfigError } from '../errors.ts';
import { parseEd25519Key } from './ed25519-key.ts';
import { storageError, systemCodeOf } from './file-errors.ts';
import { peerIdOfKey } from './host-key.ts';
import { createPrivateFile, readPrivateFile } from './private-file.ts';

/** A PEM of an ed25519 key has about 120 bytes. */
const maxKeyBytes = 4_096;

/** Who a host is: an ed25519 key, and the peer id by which others know it. */
export class Identity {
  /** The libp2p peer id (libp2p peer ids specification, "Peer Ids"), in base58: `12D3Koo…`. */
  readonly peerId: string;
  /** The 32 bytes of the public key. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  private constructor(privateKey: KeyObject, publicKey: Uint8Array, peerId: string) {
    this.#privateKey = privateKey;
    this.publicKey = publicKey;
    this.peerId = peerId;
  }

  /**
   * Loads the identity from a file (PKCS#8 PEM, mode 0600). When there is no such file it is made,
   * whole and on disk or not at all; of several that make it at once, all get the same.
   * @throws ConfigError CONFIG_INVALID when others can get at the file, or it holds no ed25519 key.
   * @throws StorageError when it can't be read or made.
   */
  static async open(path: string): Promise<Identity> {
    try {
      const kept = await readIfThere(path);
      if (kept !== undefined) return Identity.#parse(path, kept);
      const { privateKey } = generateKeyPairSync('ed25519');
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      try {
        await createPrivateFile(path, pem);
      } catch (error) {
        if (systemCodeOf(error) !== 'EEXIST') throw error;
        return Identity.#parse(path, await readPrivateFile(path, maxKeyBytes));
      }
      return Identity.#of(privateKey);
    } catch (cause) {
      throw storageError(path, 'read or made', cause);
    }
  }

  /** A new identity that is in no file. */
  static generate(): Identity {
    return Identity.#of(generateKeyPairSync('ed25519').privateKey);
  }

  /** Signs by ed25519 (RFC 8032). @returns 64 bytes */
  sign(message: Uint8Array): Uint8Array {
    return sign(null, message, this.#privateKey);
  }

  static #parse(path: string, pem: string): Identity {
    let privateKey: KeyObject;
    try {
      privateKey = parseEd25519Key(pem);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError(
        'CONFIG_INVALID',
        `the identity file ${path} holds no ed25519 private key in PKCS#8 PEM: ${why}. Restore it; or move it away, and the next start makes a new identity, which the other hosts must be told of`,
        { cause, evidence: { path } },
      );
    }
    return Identity.#of(privateKey);
  }

  static #of(privateKey: KeyObject): Identity {
    const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
    const publicKey = Buffer.from(x ?? '', 'base64url');
    return new Identity(privateKey, publicKey, peerIdOfKey(publicKey));
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readPrivateFile(path, maxKeyBytes);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
