import { RepositoryError, StorageError } from '../errors.ts';
import { durable, type Durability } from '../image/index.ts';
import { channelPath } from './channel-path.ts';
import type { MetadataSet } from './metadata-set.ts';
import { MetadataSource, type FetchMetadata } from './metadata-source.ts';
import { malformed, type RoleName } from './refusals.ts';
import { releaseIn, releasesIn, type Release } from './release.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { TrustCache } from './trust-cache.ts';
import { trustNothingBut, trustState, type CacheDropped, type Trusted } from './trusted-state.ts';
import { runTuf } from './tuf-run.ts';
import { judge } from './update-verdict.ts';

export interface ReleaseClientComponents {
  readonly fetchMetadata: FetchMetadata;
  /** fsync, if nothing else is said. */
  readonly durability?: Durability | undefined;
  /** Told once when what was verified before could not be used, and the client began anew. */
  readonly onCacheDropped?: ((reason: CacheDropped) => void) | undefined;
}

export interface ReleaseClientInit {
  /** Where it keeps what it has verified. One client at a time; it is made if it is missing. */
  readonly directory: string;
  /** The text of the pinned root.json: the only thing that is believed unseen. */
  readonly root: string;
}

/**
 * Reads a TUF repository. It believes only what follows from the pinned root, remembers across
 * restarts what it has seen, and accepts nothing older. What it reports is the newest release that
 * was verified as a whole: when `refresh` throws, that stays what it was, also for the next client
 * on the same directory, and also when it has expired meanwhile. So a host keeps running what it
 * runs, and moves on only after a `refresh` that returned.
 */
export class ReleaseClient {
  readonly #components: ReleaseClientComponents;
  readonly #directory: string;
  readonly #pinned: RootDocument;
  readonly #cache: TrustCache;
  #trusted: Trusted | undefined;
  #toldDropped = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws ConfigError CONFIG_INVALID when the pinned root can't be used. */
  constructor(components: ReleaseClientComponents, init: ReleaseClientInit) {
    this.#components = components;
    this.#directory = init.directory;
    this.#pinned = readTrustedRoot(init.root);
    this.#cache = new TrustCache(
      { durability: components.durability ?? durable },
      { directory: init.directory },
    );
  }

  /**
   * Asks the repository what is new and verifies it, by this machine's clock. Returns when what is
   * new is on disk. A repository in which nothing was published yet has no releases, and is not
   * refused.
   * @throws RepositoryError REPOSITORY_ROLLBACK, REPOSITORY_EXPIRED, REPOSITORY_MIX_AND_MATCH,
   * REPOSITORY_SIGNATURE or REPOSITORY_MALFORMED; StorageError; and what `fetchMetadata` throws, as
   * it is.
   */
  async refresh(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const turn = this.#queue.then(() => this.#refresh(options.signal));
    this.#queue = turn.catch(() => undefined);
    await turn;
  }

  /** The verified release of a channel, if there is one. */
  async releaseOf(app: string, channel: string): Promise<Release | undefined> {
    const { targets } = await this.#load();
    return targets === undefined ? undefined : releaseIn(targets, { app, channel });
  }

  /**
   * The verified release of a channel.
   * @throws RepositoryError REPOSITORY_NO_RELEASE when there is none.
   */
  async expectRelease(app: string, channel: string): Promise<Release> {
    const release = await this.releaseOf(app, channel);
    if (release !== undefined) return release;
    const known = (await this.releases()).map(channelPath);
    const actual = known.slice(0, 20);
    const others =
      actual.length === 0 ? 'it has no releases at all' : `it has ${actual.join(', ')}`;
    const expected = channelPath({ app, channel });
    throw new RepositoryError(
      'REPOSITORY_NO_RELEASE',
      `The repository has no release of ${expected}: ${others}. Check the name, or publish one with: seeder release ${app} ${channel} IMAGE`,
      { evidence: { role: 'targets', expected, actual } },
    );
  }

  /** All verified releases, by app and channel. */
  async releases(): Promise<Release[]> {
    const { targets } = await this.#load();
    return targets === undefined ? [] : releasesIn(targets);
  }

  /** The verified set, as served: what the next release is based on. */
  async current(): Promise<MetadataSet | undefined> {
    return (await this.#load()).set;
  }

  async #refresh(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    // From disk, so that another client's progress in the same directory is not undone.
    this.#trusted = undefined;
    const trusted = await this.#load();
    const source = new MetadataSource(this.#components, { signal });
    const run = await runTuf({ source }, { directory: this.#directory, files: filesOf(trusted) });
    const verdict = judge(trusted, source, run.files, new Date());
    const failure = verdict.refusal ?? (verdict.state.set === undefined ? undefined : run.failure);
    const state =
      failure === undefined ? verdict.state : { ...verdict.state, set: trusted.state.set };
    if (JSON.stringify(state) !== JSON.stringify(trusted.state)) await this.#cache.write(state);
    this.#trusted = undefined;
    if (source.failure !== undefined) throw source.failure.error;
    if (verdict.refusal !== undefined) throw verdict.refusal.error;
    if (failure !== undefined) throw unexplained(source, failure.error);
  }

  async #load(): Promise<Trusted> {
    if (this.#trusted !== undefined) return this.#trusted;
    const found = trustState(this.#pinned, await this.#cache.read());
    if (typeof found === 'string' && !this.#toldDropped) {
      this.#toldDropped = true;
      this.#components.onCacheDropped?.(found);
    }
    this.#trusted = typeof found === 'object' ? found : trustNothingBut(this.#pinned);
    return this.#trusted;
  }
}

/** What tuf-js is given as its cache. */
function filesOf(trusted: Trusted): Map<RoleName, string> {
  const files = new Map<RoleName, string>([['root', trusted.root.text]]);
  const { timestamp, snapshot, targets } = trusted;
  for (const document of [timestamp, snapshot, targets]) {
    if (document !== undefined) files.set(document.role, document.text);
  }
  return files;
}

/** tuf-js refuses what passes our own checks: its disk failed, or it knows better. */
function unexplained(source: MetadataSource, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  // The class of this error is lost on its way through tuf-js; its text is all that is left.
  if (why.includes('Failed to persist metadata')) {
    return new StorageError('STORAGE_FAILED', `Verified metadata could not be written: ${why}`, {
      cause,
    });
  }
  const role = [...source.received.keys()].at(-1) ?? 'root';
  return malformed(role, why, { cause });
}
