import { ConfigError } from '../errors.ts';
import { isPeerId } from './host-key.ts';
import { WatchedFile, type WatchedFileInit } from './watched-file.ts';

/** Some 300,000 members. */
const maxFileBytes = 16 << 20;

export interface MembersFileInit extends Pick<WatchedFileInit, 'intervalMs' | 'onWarning'> {
  /** That there are other members from now on. */
  readonly onChange?: ((ids: ReadonlySet<string>) => void) | undefined;
}

/**
 * Who belongs to a sealed swarm: a text file with one peer id a line; `#` begins a comment. It is
 * read again when it changes, also when another file takes its place.
 */
export class MembersFile implements AsyncDisposable {
  readonly path: string;
  readonly #init: MembersFileInit;
  #file: WatchedFile | undefined;
  #ids: ReadonlySet<string> = new Set();

  private constructor(path: string, init: MembersFileInit) {
    this.path = path;
    this.#init = init;
  }

  /**
   * Reads the file, and goes on looking at it.
   * @throws ConfigError CONFIG_MISSING when there is none, CONFIG_INVALID with the line that is wrong
   * @throws StorageError when it can't be read
   */
  static async open(path: string, init: MembersFileInit): Promise<MembersFile> {
    const members = new MembersFile(path, init);
    await members.#open();
    return members;
  }

  async #open(): Promise<void> {
    const { path, intervalMs, onWarning } = { ...this.#init, path: this.path };
    this.#file = await WatchedFile.open(
      (text) => {
        this.#take(parseMembers(path, text));
      },
      {
        path,
        intervalMs,
        onWarning,
        maxBytes: maxFileBytes,
        tooLarge: 'it is no list of members',
        missing: `the members file ${path} does not exist: write the peer ids of the hosts into it, one a line`,
        whenRefused: 'the members stay as they were',
      },
    );
  }

  #take(ids: ReadonlySet<string>): void {
    this.#ids = ids;
    if (this.#file !== undefined) this.#init.onChange?.(ids);
  }

  /** The peer ids of all members, as of now. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.[Symbol.asyncDispose]();
  }
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
