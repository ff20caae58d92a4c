import { RepositoryError, StorageError } from '../errors.ts';
import { durable, type Durability } from '../image/index.ts';
import { delegatedFiles } from './delegations.ts';
import type { MetadataForm } from './metadata-schema.ts';
import { MetadataSource, type FetchMetadata } from './metadata-source.ts';
import { malformed } from './refusals.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { readDocument } from './signed-document.ts';
import { TrustCache } from './trust-cache.ts';
import { trustNothingBut, trustState, type CacheDropped, type Trusted } from './trusted-state.ts';
import { runTuf, type CachedFiles, type TufRun } from './tuf-run.ts';
import { judge } from './update-verdict.ts';

export interface TufClientComponents {
  readonly fetchMetadata: FetchMetadata;
  /** fsync, if nothing else is said. */
  readonly durability?: Durability | undefined;
  /** Told once when what was verified before could not be used, and the client began anew. */
  readonly onCacheDropped?: ((reason: CacheDropped) => void) | undefined;
}

export interface TufClientInit {
  /** Where it keeps what it has verified. One client at a time; it is made if it is missing. */
  readonly directory: string;
  /** The text of the pinned root.json: the only thing that is believed unseen. */
  readonly root: string;
  /** That of a repository of releases, if nothing else is said. */
  readonly form?: MetadataForm | undefined;
  /** The apps whose delegated files are fetched, and must be good; all, if nothing is said. */
  readonly apps?: readonly string[] | undefined;
}

export interface RefreshOptions {
  readonly signal?: AbortSignal | undefined;
  /** Target paths to look for, through all delegations on the way. */
  readonly paths?: readonly string[] | undefined;
}

/** Which of the paths that were looked for are signed, and as what. */
export type FoundTargets = TufRun['found'];

/**
 * Follows a TUF repository, of whatever targets: it believes only what follows from the pinned root,
 * remembers across restarts what it has seen, and accepts nothing older. tuf-js and our own checks
 * must both accept what becomes trusted.
 */
export class TufClient {
  readonly #components: TufClientComponents;
  readonly #directory: string;
  readonly #pinned: RootDocument;
  readonly #apps: readonly string[] | undefined;
  readonly #cache: TrustCache;
  #trusted: Trusted | undefined;
  #toldDropped = false;
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws ConfigError CONFIG_INVALID when the pinned root can't be used. */
  constructor(components: TufClientComponents, init: TufClientInit) {
    this.#components = components;
    this.#directory = init.directory;
    this.#apps = init.apps;
    this.#pinned = readTrustedRoot(init.root, init.form);
    this.#cache = new TrustCache(
      { durability: components.durability ?? durable },
      { directory: init.directory },
    );
  }

  /**
   * Asks the repository what is new and verifies it, by this machine's clock. Returns when what is
   * new is on disk.
   * @throws RepositoryError when what it serves is refused; StorageError; and what `fetchMetadata`
   * throws, as it is.
   */
  async refresh(options: RefreshOptions = {}): Promise<FoundTargets> {
    const turn = this.#queue.then(() => this.#refresh(options));
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** What was verified so far. */
  async trusted(): Promise<Trusted> {
    if (this.#trusted !== undefined) return this.#trusted;
    const found = trustState(this.#pinned, await this.#cache.read());
    if (typeof found === 'string' && !this.#toldDropped) {
      this.#toldDropped = true;
      this.#components.onCacheDropped?.(found);
    }
    this.#trusted = typeof found === 'object' ? found : trustNothingBut(this.#pinned);
    return this.#trusted;
  }

  async #refresh({ signal, paths = [] }: RefreshOptions): Promise<FoundTargets> {
    signal?.throwIfAborted();
    // From disk, so that another client's progress in the same directory is not undone.
    this.#trusted = undefined;
    const trusted = await this.trusted();
    const { form } = this.#pinned;
    const source = new MetadataSource(this.#components, { form, signal });
    const run = await runTuf(
      { source },
      {
        directory: this.#directory,
        files: filesOf(trusted),
        paths: (accepted) => [...paths, ...delegatedPaths(accepted, form, this.#apps)],
      },
    );
    const verdict = judge(trusted, source, run.files, { now: new Date(), apps: this.#apps });
    const failure = verdict.refusal ?? (verdict.state.set === undefined ? undefined : run.failure);
    const state =
      failure === undefined ? verdict.state : { ...verdict.state, set: trusted.state.set };
    if (JSON.stringify(state) !== JSON.stringify(trusted.state)) await this.#cache.write(state);
    this.#trusted = undefined;
    if (source.failure !== undefined) throw source.failure.error;
    if (verdict.refusal !== undefined) throw verdict.refusal.error;
    if (failure !== undefined) throw unexplained(source, failure.error);
    return run.found;
  }
}

/** What tuf-js is given as its cache. */
function filesOf(trusted: Trusted): Map<string, string> {
  const files = new Map([['root', trusted.root.text]]);
  const { timestamp, snapshot, targets, releases } = trusted;
  const delegated = releases?.delegated.values() ?? [];
  for (const document of [timestamp, snapshot, targets, ...delegated]) {
    if (document !== undefined) files.set(document.name, document.text);
  }
  return files;
}

/** A path in each of the apps that no channel has: looking for it loads the app's delegated file. */
function delegatedPaths(
  accepted: CachedFiles,
  form: MetadataForm,
  apps: readonly string[] | undefined,
): string[] {
  try {
    const targets = readDocument('targets', accepted.get('targets') ?? '', { form });
    const snapshot = readDocument('snapshot', accepted.get('snapshot') ?? '', { form });
    return delegatedFiles({ targets, snapshot }, apps).map((app) => `${app}/=`);
  } catch (error) {
    // Our own checks will say so, and why.
    if (error instanceof RepositoryError) return [];
    throw error;
  }
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
