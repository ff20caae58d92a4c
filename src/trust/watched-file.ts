import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../errors.ts';
import { storageError, systemCodeOf } from './file-errors.ts';

export interface WatchedFileInit {
  readonly path: string;
  /** How often the file is looked at. A change is taken over at the second look that sees it. */
  readonly intervalMs: number;
  /** A larger file is refused. */
  readonly maxBytes: number;
  /** What is said of one that is too large. */
  readonly tooLarge: string;
  /** The whole message when there is no such file. */
  readonly missing: string;
  /** What holds while a change can't be used. */
  readonly whenRefused: string;
  /** That a change can't be used, and what was there before stays. Once for each change. */
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
}

/** Takes over what a file says. @throws when it can't be used; then what was there before stays */
export type TakeText = (text: string) => void;

/**
 * A text file that is read again when it changes, also when another file takes its place.
 *
 * It is looked at by stat(2) and not watched: that works behind links and on network file systems.
 * Until a change has settled for one interval it is not read, so that a file that is written in place
 * is not taken for what it is halfway.
 */
export class WatchedFile implements AsyncDisposable {
  readonly #take: TakeText;
  readonly #init: WatchedFileInit;
  readonly #ending = new AbortController();
  readonly #looking: Promise<void>;

  private constructor(take: TakeText, init: WatchedFileInit, version: string) {
    this.#take = take;
    this.#init = init;
    this.#looking = this.#look(version);
  }

  /**
   * Reads the file, and goes on looking at it.
   * @throws ConfigError CONFIG_MISSING when there is none, CONFIG_INVALID when it is too large
   * @throws StorageError when it can't be read; and what `take` throws
   */
  static async open(take: TakeText, init: WatchedFileInit): Promise<WatchedFile> {
    return new WatchedFile(take, init, await read(take, init));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#looking;
  }

  /** Compares with the version that is known, good or bad, until it is ended. */
  async #look(known: string): Promise<void> {
    const { signal } = this.#ending;
    const { path, intervalMs, whenRefused, onWarning } = this.#init;
    let before = known;
    while (await waited(intervalMs, signal)) {
      const seen = await versionOf(path);
      const hasSettled = seen === before;
      before = seen;
      if (!hasSettled || seen === known) continue;
      known = seen;
      try {
        known = await read(this.#take, this.#init);
      } catch (error) {
        onWarning?.(whenRefused, error);
      }
    }
  }
}

/** @returns which version was read */
async function read(take: TakeText, init: WatchedFileInit): Promise<string> {
  const { path, maxBytes, tooLarge, missing } = init;
  try {
    await using handle = await open(path, 'r');
    const stats = await handle.stat({ bigint: true });
    if (stats.size > maxBytes) {
      throw new ConfigError(
        'CONFIG_INVALID',
        `${path} has ${stats.size} bytes, ${maxBytes} are allowed: ${tooLarge}`,
        { evidence: { path } },
      );
    }
    take(await handle.readFile('utf8'));
    return version(stats);
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw storageError(path, 'read', cause);
    throw new ConfigError('CONFIG_MISSING', missing, { cause, evidence: { path } });
  }
}

/** What tells one state of a file from another; of a file that can't be reached, why. */
async function versionOf(path: string): Promise<string> {
  try {
    return version(await stat(path, { bigint: true }));
  } catch (error) {
    return systemCodeOf(error) ?? 'unreadable';
  }
}

type FileState = Record<'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs', bigint>;

const version = ({ dev, ino, size, mtimeNs, ctimeNs }: FileState): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(' ');

/** @returns false when it was ended instead */
async function waited(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}
