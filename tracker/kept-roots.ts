import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, StorageError } from '../src/errors.ts';
import { checkRoot, checkRootFollows, rootVersion } from '../src/trust/index.ts';
import { storageError, systemCode } from './durable-file.ts';
import type { DurableFiles } from './durable-file.ts';
import { tufFileName } from './release-files.ts';

const maxRootBytes = 1 << 20;

interface Init {
  readonly directory: string;
  readonly rootPath?: string | undefined;
}

/**
 * The roots that this tracker serves: the one that it was first started with, and those that came
 * after it, each signed by the one before. It verifies against the newest.
 */
export class KeptRoots {
  readonly #files: DurableFiles;
  readonly #directory: string;
  #texts: readonly [string, ...string[]];

  private constructor(
    files: DurableFiles,
    directory: string,
    texts: readonly [string, ...string[]],
  ) {
    this.#files = files;
    this.#directory = directory;
    this.#texts = texts;
  }

  /**
   * At the first start the given root is kept, and from then on it is the kept ones.
   * @throws ConfigError CONFIG_MISSING when there is none, CONFIG_INVALID when the given file is none
   * or is none of the kept ones.
   */
  static async open(components: { readonly files: DurableFiles }, init: Init): Promise<KeptRoots> {
    const { files } = components;
    const keptPath = join(init.directory, 'root.json');
    const newest = await readKept(keptPath);
    const given = init.rootPath === undefined ? undefined : await readGiven(init.rootPath);
    if (newest !== undefined) {
      const texts = await readChain(init.directory, newest);
      if (given === undefined || texts.includes(given)) {
        return new KeptRoots(files, init.directory, texts);
      }
      throw new ConfigError(
        'CONFIG_INVALID',
        `${init.rootPath ?? ''} is not the root.json that this tracker was first started with (${keptPath}), nor one that followed it: leave it out, or use another directory for another root`,
        { evidence: { rootPath: init.rootPath, keptPath } },
      );
    }
    if (given === undefined) {
      throw new ConfigError(
        'CONFIG_MISSING',
        `the tracker has no root.json in ${init.directory}: give it one at its first start`,
        { evidence: { directory: init.directory } },
      );
    }
    checkGiven(given, init.rootPath ?? '');
    const roots = new KeptRoots(files, init.directory, [given]);
    await roots.#keep(given);
    return roots;
  }

  /** All of them, the newest last. */
  get texts(): readonly string[] {
    return this.#texts;
  }

  get newest(): string {
    return this.#texts.at(-1) ?? this.#texts[0];
  }

  get newestVersion(): number {
    return rootVersion(this.newest);
  }

  /** @throws RepositoryError when a root does not follow the newest */
  check(text: string): void {
    checkRootFollows(this.newest, text);
  }

  /**
   * Keeps the next root; returns when it is on disk.
   * @returns its version
   * @throws RepositoryError when it does not follow the newest; StorageError.
   */
  async add(text: string): Promise<number> {
    this.check(text);
    await this.#keep(text);
    this.#texts = [...this.#texts, text];
    return this.newestVersion;
  }

  /** root.json comes last: when it is there, all is there. */
  async #keep(text: string): Promise<void> {
    try {
      const name = tufFileName('root', rootVersion(text));
      await this.#files.replace(join(this.#directory, name), text);
      await this.#files.replace(join(this.#directory, 'root.json'), text);
      await this.#files.syncDirectory(this.#directory);
    } catch (error) {
      throw storageError(error, `root.json can't be kept in ${this.#directory}`);
    }
  }
}

/** The kept roots before the newest: those are there that followed the first one. */
async function readChain(directory: string, newest: string): Promise<[string, ...string[]]> {
  const texts: [string, ...string[]] = [newest];
  try {
    for (let version = rootVersion(newest) - 1; version > 0; version--) {
      const before = await readKept(join(directory, tufFileName('root', version)));
      if (before === undefined) break;
      checkRootFollows(before, texts[0]);
      texts.unshift(before);
    }
    checkRoot(texts[0]);
    return texts;
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(
      'STORAGE_CORRUPT',
      `the roots in ${directory} are not one chain (${why}): restore the directory from a copy`,
      { cause, evidence: { directory } },
    );
  }
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw storageError(error, `the kept root ${path} can't be read`);
  }
}

async function readGiven(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= maxRootBytes) return await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemCode(cause) ?? 'unknown';
    throw new ConfigError('CONFIG_INVALID', `the root ${path} can't be read (${code})`, {
      cause,
      evidence: { path },
    });
  }
  throw new ConfigError('CONFIG_INVALID', `${path} is too large to be a root.json`, {
    evidence: { path, maxRootBytes },
  });
}

/** A root that its own keys did not sign would refuse every release later; better said now. */
function checkGiven(text: string, path: string): void {
  try {
    checkRoot(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_INVALID', `${path} can't be the root of this tracker: ${why}`, {
      cause,
      evidence: { path },
    });
  }
}
