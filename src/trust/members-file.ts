import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from '../errors.ts';
import { storageError, systemCodeOf } from './file-errors.ts';
import { isPeerId } from './host-key.ts';

/** Some 300,000 members. */
const maxFileBytes = 16 << 20;

export interface MembersFileInit {
  /** How often the file is looked at. A change is taken over at the second look that sees it. */
  readonly intervalMs: number;
  /** That a change can't be used, and the members from before stay. Once for each change. */
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
  /** That there are other members from now on. */
  readonly onChange?: ((ids: ReadonlySet<string>) => void) | undefined;
}

/**
 * Who belongs to a sealed swarm: a text file with one peer id a line; `#` begins a comment. It is
 * read again when it changes, also when another file takes its place.
 *
 * It is looked at by stat(2) and not watched: that works behind links and on network file systems.
 * Until a change has settled for one interval it is not read, so that a file that is written in place
 * is not taken for what it is halfway.
 */
export class MembersFile implements AsyncDisposable {
  readonly path: string;
  readonly #init: MembersFileInit;
  readonly #ending = new AbortController();
  readonly #looking: Promise<void>;
  #ids: ReadonlySet<string>;

  private constructor(path: string, init: MembersFileInit, first: MembersRead) {
    this.path = path;
    this.#init = init;
    this.#ids = first.ids;
    this.#looking = this.#look(first.version);
  }

  /**
   * Reads the file, and goes on looking at it.
   * @throws ConfigError CONFIG_MISSING when there is none, CONFIG_INVALID with the line that is wrong
   * @throws StorageError when it can't be read
   */
  static async open(path: string, init: MembersFileInit): Promise<MembersFile> {
    return new MembersFile(path, init, await readMembers(path));
  }

  /** The peer ids of all members, as of now. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#looking;
  }

  /** Compares with the version that is known, good or bad, until it is ended. */
  async #look(known: string): Promise<void> {
    const { signal } = this.#ending;
    let before = known;
    while (await waited(this.#init.intervalMs, signal)) {
      const seen = await versionOf(this.path);
      const hasSettled = seen === before;
      before = seen;
      if (!hasSettled || seen === known) continue;
      known = seen;
      try {
        const read = await readMembers(this.path);
        known = read.version;
        this.#ids = read.ids;
        this.#init.onChange?.(read.ids);
      } catch (error) {
        this.#init.onWarning?.('the members stay as they were', error);
      }
    }
  }
}

interface MembersRead {
  readonly ids: ReadonlySet<string>;
  readonly version: string;
}

/**
 * Parses what a members file says. No members at all is an error: a file that was cut to nothing must
 * not shut out everybody.
 * @throws ConfigError CONFIG_INVALID with the number of the line
 */
export function parseMembers(path: string, text: string): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const [index, line] of text.split('\n').entries()) {
    const id = (line.split('#', 1)[0] ?? '').trim();
    if (id === '') continue;
    if (!isPeerId(id)) {
      const said = id.length > 80 ? `${id.slice(0, 80)}…` : id;
      throw new ConfigError(
        'CONFIG_INVALID',
        `${path}, line ${index + 1}: "${said}" is not a peer id as "fetcher identity" prints it (12D3Koo…)`,
        { evidence: { path, line: index + 1 } },
      );
    }
    ids.add(id);
  }
  if (ids.size > 0) return ids;
  throw new ConfigError('CONFIG_INVALID', `${path} names no member: one peer id a line`, {
    evidence: { path },
  });
}

async function readMembers(path: string): Promise<MembersRead> {
  try {
    await using handle = await open(path, 'r');
    const stats = await handle.stat({ bigint: true });
    if (stats.size > maxFileBytes) {
      throw new ConfigError(
        'CONFIG_INVALID',
        `${path} has ${stats.size} bytes, ${maxFileBytes} are allowed: it is no list of members`,
        { evidence: { path } },
      );
    }
    const ids = parseMembers(path, await handle.readFile('utf8'));
    return { ids, version: version(stats) };
  } catch (cause) {
    if (systemCodeOf(cause) !== 'ENOENT') throw storageError(path, 'read', cause);
    throw new ConfigError(
      'CONFIG_MISSING',
      `the members file ${path} does not exist: write the peer ids of the hosts into it, one a line`,
      { cause, evidence: { path } },
    );
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
