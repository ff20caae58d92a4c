import { constants } from 'node:fs';
import { access, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { StorageError } from '../src/errors.ts';
import { summarizeSet, verifyUpdate } from '../src/trust/index.ts';
import type { MetadataSet, MetadataSummary } from '../src/trust/index.ts';
import { durableFiles, storageError, systemCode, temporarySuffix } from './durable-file.ts';
import type { DurableFiles } from './durable-file.ts';
import { openPinnedRoot } from './pinned-root.ts';
import { namedVersion, parseTufFileName, tufFileName } from './release-files.ts';
import type { TufFileName } from './release-files.ts';

export interface ReleaseStoreComponents {
  /** Wall time in milliseconds since 1970: signatures expire by it. */
  readonly now: () => number;
  readonly log: FastifyBaseLogger;
  readonly files?: DurableFiles | undefined;
}

export interface ReleaseStoreInit {
  /** Where the TUF repository lies. */
  readonly directory: string;
  readonly rootPath?: string | undefined;
}

/** What is acknowledged and served. */
export interface CurrentSet {
  readonly set: MetadataSet;
  readonly summary: MetadataSummary;
}

/** Of superseded snapshots and targets, so many versions stay for clients that are just reading. */
const keptVersions = 50;

/**
 * The TUF repository of the tracker: files that any static server could serve. A pushed set is
 * taken only when it verifies and moves forward, and then as a whole: versioned files are on disk
 * before the timestamp that leads to them, so a crash at any point leaves the old set.
 */
export class ReleaseStore {
  readonly root: string;
  readonly directory: string;
  readonly #now: () => number;
  readonly #log: FastifyBaseLogger;
  readonly #files: DurableFiles;
  #current: CurrentSet | undefined;
  /** Pushes run one after the other, each against what the one before it left. */
  #lastPush: Promise<unknown> = Promise.resolve();

  private constructor(
    components: ReleaseStoreComponents & { readonly files: DurableFiles },
    init: ReleaseStoreInit & { readonly root: string; readonly current: CurrentSet | undefined },
  ) {
    this.#now = components.now;
    this.#log = components.log;
    this.#files = components.files;
    this.directory = init.directory;
    this.root = init.root;
    this.#current = init.current;
  }

  /**
   * Opens the repository, or makes it.
   * @throws ConfigError for the root (see `openPinnedRoot`).
   * @throws StorageError STORAGE_CORRUPT when what is kept is not one whole set.
   */
  static async open(
    components: ReleaseStoreComponents,
    init: ReleaseStoreInit,
  ): Promise<ReleaseStore> {
    const files = components.files ?? durableFiles;
    try {
      await mkdir(init.directory, { recursive: true });
    } catch (error) {
      throw storageError(error, `the directory ${init.directory} can't be made`);
    }
    const root = await openPinnedRoot({ files }, init);
    const current = await loadSet(init.directory, root);
    const store = new ReleaseStore({ ...components, files }, { ...init, root, current });
    await store.#tidy();
    return store;
  }

  get current(): CurrentSet | undefined {
    return this.#current;
  }

  /**
   * Takes a set in; returns when it is on disk and served.
   * @throws RepositoryError when it does not verify, is expired or does not move forward.
   * @throws StorageError when it can't be written: then the old set is served on.
   */
  push(next: MetadataSet): Promise<CurrentSet> {
    const push = this.#lastPush.then(() => this.#push(next));
    // The next one waits for the end of this one, however it ends; its caller hears of the failure.
    this.#lastPush = push.catch(() => undefined);
    return push;
  }

  /** Returns when no push is under way. */
  async idle(): Promise<void> {
    await this.#lastPush;
  }

  /** Whether a file is of the acknowledged sets: what a push that failed left behind is not. */
  serves(file: TufFileName): boolean {
    if (file.kind === 'root') return true;
    if (file.kind === 'timestamp') return this.#current !== undefined;
    if (file.role === 'root') return true;
    return file.version <= newestVersion(this.#current, file.role);
  }

  /** @throws StorageError when the directory can't be written to. */
  async checkWritable(): Promise<void> {
    try {
      await access(this.directory, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw storageError(error, `the directory ${this.directory} can't be written to`);
    }
  }

  async #push(next: MetadataSet): Promise<CurrentSet> {
    const current = this.#current;
    const now = new Date(this.#now());
    verifyUpdate({ root: this.root, current: current?.set, next, now });
    const summary = summarizeSet(next);
    await this.#write(next, summary);
    this.#current = { set: next, summary };
    await this.#tidy();
    return this.#current;
  }

  async #write(set: MetadataSet, summary: MetadataSummary): Promise<void> {
    const written: string[] = [];
    let published = false;
    try {
      for (const role of ['targets', 'snapshot'] as const) {
        const version = summary[`${role}Version`];
        // The same version has the same content: verifyUpdate has seen to that.
        if (version === newestVersion(this.#current, role)) continue;
        const path = this.#path(tufFileName(role, version));
        written.push(path);
        await this.#files.replace(path, set[role]);
      }
      await this.#files.syncDirectory(this.directory);
      published = true;
      await this.#files.replace(this.#path('timestamp.json'), set.timestamp);
      await this.#files.syncDirectory(this.directory);
    } catch (error) {
      // Once the timestamp may be in place, what it names must stay: the next start reads it.
      if (!published) for (const path of written) await this.#remove(path);
      throw storageError(error, 'the release could not be written, the one before it stays');
    }
  }

  /** Removes what no client can ask for any more, and what pushes that failed left. */
  async #tidy(): Promise<void> {
    let names: string[] = [];
    try {
      names = await readdir(this.directory);
    } catch (error) {
      this.#log.warn({ err: error }, 'the repository can not be tidied');
    }
    for (const name of names) {
      const file = parseTufFileName(name);
      if (file === undefined && name.endsWith(temporarySuffix))
        await this.#remove(this.#path(name));
      if (file?.kind !== 'versioned' || file.role === 'root') continue;
      const newest = newestVersion(this.#current, file.role);
      if (file.version > newest || file.version <= newest - keptVersions) {
        await this.#remove(this.#path(name));
      }
    }
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { force: true });
    } catch (error) {
      this.#log.warn({ err: error, path }, 'a file that is no longer needed can not be removed');
    }
  }
}

const newestVersion = (current: CurrentSet | undefined, role: 'snapshot' | 'targets'): number =>
  current?.summary[`${role}Version`] ?? 0;

/**
 * Reads the kept set, and verifies all of it but the dates: what has expired since is still the
 * newest that there is, and clients judge its age themselves.
 */
async function loadSet(directory: string, root: string): Promise<CurrentSet | undefined> {
  const read = (name: string) => readFile(join(directory, name), 'utf8');
  let timestamp: string;
  try {
    timestamp = await read('timestamp.json');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw storageError(error, `the releases in ${directory} can't be read`);
  }
  try {
    const snapshotName = tufFileName('snapshot', namedVersion(timestamp, 'snapshot.json'));
    const snapshot = await read(snapshotName);
    const targets = await read(tufFileName('targets', namedVersion(snapshot, 'targets.json')));
    const set = { targets, snapshot, timestamp };
    verifyUpdate({ root, current: undefined, next: set, now: new Date(0) });
    return { set, summary: summarizeSet(set) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(
      'STORAGE_CORRUPT',
      `the releases in ${directory} are not one whole set (${why}): restore the directory from a copy, or remove timestamp.json from it and push the newest release again`,
      { cause, evidence: { directory } },
    );
  }
}
