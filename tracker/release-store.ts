import { constants } from 'node:fs';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { RepositoryError } from '../src/errors.ts';
import {
  completeSet,
  isOnlineKey,
  mergeUpdate,
  rootVersion,
  summarizeSet,
  verifyUpdate,
} from '../src/trust/index.ts';
import type { ChannelName, Expiry, MetadataSet, MetadataSummary } from '../src/trust/index.ts';
import type { MetadataUpdate, SigningKey } from '../src/trust/index.ts';
import { durableFiles, storageError, temporarySuffix } from './durable-file.ts';
import type { DurableFiles } from './durable-file.ts';
import { loadSet } from './kept-set.ts';
import { KeptRoots } from './kept-roots.ts';
import { changedReleases, publicationOf, type Publication, type Publisher } from './publication.ts';
import { parseTufFileName, tufFileName } from './release-files.ts';
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
  /** The tracker's own key; it signs snapshot and timestamp where root names it for them. */
  readonly onlineKey?: SigningKey | undefined;
  /** How long what it signs is good. */
  readonly expiry?: Partial<Expiry> | undefined;
}

/** What is acknowledged and served. */
export interface CurrentSet {
  readonly set: MetadataSet;
  readonly summary: MetadataSummary;
}

/** Of superseded snapshots and targets, so many versions stay for clients that are just reading. */
const keptVersions = 50;

/** What a tracker serves: all roots that it has, the newest last, and the newest set. */
export interface Published {
  readonly roots: readonly string[];
  readonly set?: MetadataSet | undefined;
}

/** Where several trackers agree on what is published. */
export interface ReleaseShare {
  /**
   * @param publication none: the tracker has signed again by itself, and nothing else is new
   * @throws RepositoryError, StoreError: then it is not served
   */
  commit(published: Published, publication?: Publication): Promise<void>;
}

export interface PushOptions {
  /** Who pushes, for the audit log. */
  readonly actor?: string | undefined;
}

/**
 * The TUF repository of the tracker: files that any static server could serve. A pushed set is
 * taken only when it verifies and moves forward, and then as a whole: versioned files are on disk
 * before the timestamp that leads to them, so a crash at any point leaves the old set.
 */
export class ReleaseStore {
  readonly directory: string;
  readonly #now: () => number;
  readonly #log: FastifyBaseLogger;
  readonly #files: DurableFiles;
  readonly #roots: KeptRoots;
  readonly #onlineKey: SigningKey | undefined;
  readonly #expiry: Partial<Expiry>;
  #current: CurrentSet | undefined;
  readonly #listeners = new Set<(channels: readonly ChannelName[]) => void>();
  #share: ReleaseShare | undefined;
  /** Pushes run one after the other, each against what the one before it left. */
  #lastPush: Promise<unknown> = Promise.resolve();

  private constructor(
    components: ReleaseStoreComponents & { files: DurableFiles; roots: KeptRoots },
    init: ReleaseStoreInit & { readonly current: CurrentSet | undefined },
  ) {
    this.#now = components.now;
    this.#log = components.log;
    this.#files = components.files;
    this.#roots = components.roots;
    this.directory = init.directory;
    this.#onlineKey = init.onlineKey;
    this.#expiry = init.expiry ?? {};
    this.#current = init.current;
  }

  /**
   * Opens the repository, or makes it.
   * @throws ConfigError for the root (see `KeptRoots`).
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
    const roots = await KeptRoots.open({ files }, init);
    const current = await loadSet(init.directory, roots.texts);
    const store = new ReleaseStore({ ...components, files, roots }, { ...init, current });
    await store.#tidy();
    return store;
  }

  /** The newest root.json: its exact text. */
  get root(): string {
    return this.#roots.newest;
  }

  get current(): CurrentSet | undefined {
    return this.#current;
  }

  /** All that others need to serve the same. */
  get published(): Published {
    return { roots: this.#roots.texts, set: this.#current?.set };
  }

  /** Tells which channels name other images, whenever something was published. @returns what stops it */
  onRelease(listener: (channels: readonly ChannelName[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** From now on nothing is served before it was committed there. */
  shareWith(share: ReleaseShare): void {
    this.#share = share;
  }

  /**
   * Takes over what another tracker has published, verified as if it was pushed here.
   * @throws as push and pushRoot
   */
  mirror({ roots, set }: Published): Promise<void> {
    return this.#inTurn(async () => {
      for (const root of roots) {
        if (rootVersion(root) <= this.#roots.newestVersion) continue;
        this.#roots.check(root);
        await this.#roots.add(root);
      }
      if (set === undefined || set.timestamp === this.#current?.set.timestamp) return;
      await this.#serve(this.#verified(this.root, set));
    });
  }

  /** Whether root lets this tracker sign snapshot and timestamp. */
  get signsOnline(): boolean {
    return this.#onlineKey !== undefined && isOnlineKey(this.root, this.#onlineKey);
  }

  /**
   * Takes a whole set in, or what is new of one: then the tracker's own key signs snapshot and
   * timestamp. Returns when it is on disk and served.
   * @throws RepositoryError when it does not verify, is expired or does not move forward.
   * @throws StorageError when it can't be written: then the old set is served on.
   */
  push(update: MetadataUpdate, { actor }: PushOptions = {}): Promise<CurrentSet> {
    return this.#inTurn(() =>
      this.#push(update, actor === undefined ? undefined : { actor, action: 'release.push' }),
    );
  }

  /**
   * Signs snapshot and timestamp again, so that they don't expire; nothing else is changed.
   * @returns undefined when nothing was published yet
   * @throws as push
   */
  signAgain(): Promise<CurrentSet | undefined> {
    return this.#inTurn(async () => (this.#current === undefined ? undefined : this.#push({})));
  }

  /**
   * Takes the next root in, signed as the one before and itself ask for; returns when it is on disk
   * and served. What its keys have signed may come with it; where it names this tracker's key,
   * snapshot and timestamp are signed again by that.
   * @returns its version
   * @throws RepositoryError when it is not the next one, or what came with it is refused: then nothing
   * is taken; StorageError when it can't be written.
   */
  pushRoot(
    root: string,
    update: MetadataUpdate = {},
    { actor }: PushOptions = {},
  ): Promise<number> {
    return this.#inTurn(async () => {
      this.#roots.check(root);
      const next = this.#underRoot(root, update);
      const version = await this.#roots.add(root);
      const who = actor === undefined ? undefined : ({ actor, action: 'root.push' } as const);
      if (next !== undefined) await this.#publish(next, who);
      else await this.#share?.commit(this.published, who && this.#publication(who));
      return version;
    });
  }

  /** Returns when no push is under way. */
  async idle(): Promise<void> {
    await this.#lastPush;
  }

  /** Whether a file is of the acknowledged sets: what a push that failed left behind is not. */
  serves(file: TufFileName): boolean {
    if (file.kind === 'root') return true;
    if (file.kind === 'timestamp') return this.#current !== undefined;
    if (file.role === 'root') return file.version <= this.#roots.newestVersion;
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

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastPush.then(work);
    // The next one waits for the end of this one, however it ends; its caller hears of the failure.
    this.#lastPush = turn.catch(() => undefined);
    return turn;
  }

  #push(update: MetadataUpdate, who?: Publisher): Promise<CurrentSet> {
    return this.#publish(this.#verified(this.root, update), who);
  }

  async #publish(next: MetadataSet, who?: Publisher): Promise<CurrentSet> {
    const publication = who && this.#publication(who, summarizeSet(next));
    await this.#share?.commit({ ...this.published, set: next }, publication);
    return this.#serve(next);
  }

  #publication(who: Publisher, after = this.#current?.summary): Publication {
    const before = this.#current?.summary;
    return publicationOf(who, { before, after, rootVersion: this.#roots.newestVersion });
  }

  async #serve(next: MetadataSet): Promise<CurrentSet> {
    const before = this.#current?.summary.releases ?? [];
    const summary = summarizeSet(next);
    await this.#write(next, summary);
    const current = { set: next, summary };
    this.#current = current;
    await this.#tidy();
    const channels = changedReleases(before, summary.releases).map(({ app, channel }) => ({
      app,
      channel,
    }));
    for (const listener of this.#listeners) listener(channels);
    return current;
  }

  /** What is served under a new root; undefined when that is what was served before. */
  #underRoot(root: string, update: MetadataUpdate): MetadataSet | undefined {
    if (Object.values(update).some((text) => text !== undefined)) {
      return this.#verified(root, update);
    }
    const isOnline = this.#onlineKey !== undefined && isOnlineKey(root, this.#onlineKey);
    if (this.#current === undefined || !isOnline) return undefined;
    try {
      return this.#verified(root, update);
    } catch (error) {
      // Root is taken nevertheless; others of its keys have to sign first.
      this.#log.warn({ err: error }, 'the releases can not be signed under the new root yet');
      return undefined;
    }
  }

  /** What is new with what stays, as one set that may be served. */
  #verified(root: string, update: MetadataUpdate): MetadataSet {
    const current = this.#current?.set;
    const now = new Date(this.#now());
    if (update.snapshot !== undefined || update.timestamp !== undefined) {
      const next = mergeUpdate(current, update);
      verifyUpdate({ root, current, next, now });
      return next;
    }
    const key = this.#onlineKey;
    if (key === undefined || !isOnlineKey(root, key)) throw notOnline();
    return completeSet({ root, keys: [key], now, current, update, expiry: this.#expiry });
  }

  async #write(set: MetadataSet, summary: MetadataSummary): Promise<void> {
    const written: string[] = [];
    let published = false;
    try {
      for (const [role, version, text] of versionedFiles(set, summary)) {
        // The same version has the same content: verifyUpdate has seen to that.
        if (text === textOf(this.#current?.set, role)) continue;
        const path = this.#path(tufFileName(role, version));
        written.push(path);
        await this.#files.replace(path, text);
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

function newestVersion(current: CurrentSet | undefined, role: string): number {
  if (current === undefined) return 0;
  const { snapshotVersion, targetsVersion, delegatedVersions } = current.summary;
  if (role === 'snapshot') return snapshotVersion;
  if (role === 'targets') return targetsVersion;
  return Object.hasOwn(delegatedVersions, role) ? (delegatedVersions[role] ?? 0) : 0;
}

/** In the order in which they are written: what is named comes before what names it. */
function versionedFiles(
  set: MetadataSet,
  summary: MetadataSummary,
): (readonly [role: string, version: number, text: string])[] {
  return [
    ...Object.entries(set.delegated ?? {}).map(
      ([app, text]) => [app, summary.delegatedVersions[app] ?? 0, text] as const,
    ),
    ['targets', summary.targetsVersion, set.targets] as const,
    ['snapshot', summary.snapshotVersion, set.snapshot] as const,
  ];
}

function textOf(set: MetadataSet | undefined, role: string): string | undefined {
  if (role === 'targets' || role === 'snapshot') return set?.[role];
  return set?.delegated !== undefined && Object.hasOwn(set.delegated, role)
    ? set.delegated[role]
    : undefined;
}

const notOnline = (): RepositoryError =>
  new RepositoryError(
    'REPOSITORY_SIGNATURE',
    'What was pushed has no snapshot and timestamp, and root does not let this tracker sign them: push all of the set, signed by the keys of snapshot and timestamp, or let root name the tracker\'s key for both ("seeder keys init --online", "seeder keys rotate online")',
    { evidence: { role: 'snapshot' } },
  );
