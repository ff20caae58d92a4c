import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../src/errors.ts';
import { createPrivateFile, storageError, systemCode } from './durable-file.ts';

/** The bits of a mode by which others than the owner may do something with a file. */
const othersMask = 0o077;

/**
 * The bearer token of the operator `admin`. It is made at the first start, 32 random bytes, in a file that
 * nobody but its owner can read; only its digest is held.
 */
export class AccessToken {
  readonly path: string;
  readonly #digest: Buffer;

  private constructor(path: string, token: string) {
    this.path = path;
    this.#digest = digestOf(token);
  }

  /**
   * Loads the token of a directory, or makes it.
   * @throws ConfigError CONFIG_INVALID when others can read the file, or it holds no token.
   * @throws StorageError when it can't be read or written.
   */
  static async open(directory: string): Promise<AccessToken> {
    const path = join(directory, 'token');
    try {
      const kept = await read(path);
      if (kept !== undefined) return new AccessToken(path, kept);
      const token = makeToken();
      await createPrivateFile(path, `${token}\n`);
      return new AccessToken(path, token);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      throw storageError(error, `the token file ${path} can't be read or made`);
    }
  }

  /** Whether an `authorization` header carries the token. Takes as long whatever it carries. */
  admits(authorization: string | undefined): boolean {
    const given = bearerTokenOf(authorization);
    return timingSafeEqual(digestOf(given ?? ''), this.#digest) && given !== undefined;
  }
}

/** The token in an `authorization` header (RFC 6750, "2.1. Authorization Request Header Field"). */
export const bearerTokenOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +([A-Za-z0-9._~+/=-]{1,200}) *$/i.exec(authorization ?? '')?.[1];

/** A new token: 32 random bytes. */
export const makeToken = (): string => randomBytes(32).toString('base64url');

/** What is kept of a token, where only that is kept. */
export const digestOf = (token: string): Buffer => hash('sha256', token, 'buffer');

async function read(path: string): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, size } = await handle.stat();
    if ((mode & othersMask) !== 0) {
      throw new ConfigError(
        'CONFIG_INVALID',
        `others can read the token file ${path} (mode ${(mode & 0o777).toString(8)}): it may be known to them; delete it for a new one, or chmod 600 it if nobody else was ever on this machine`,
        { evidence: { path, mode: mode & 0o777 } },
      );
    }
    const token = size > 1_000 ? '' : (await handle.readFile('utf8')).trim();
    if (/^[A-Za-z0-9_-]{32,200}$/.test(token)) return token;
    throw new ConfigError(
      'CONFIG_INVALID',
      `the token file ${path} holds no token: delete it, and the next start makes a new one`,
      { evidence: { path } },
    );
  } finally {
    await handle.close();
  }
}
