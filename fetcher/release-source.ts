import { pinnedFetch, TrackerClient } from '../src/api/index.ts';
import { ConfigError, TrackerError } from '../src/errors.ts';
import type { Durability } from '../src/image/index.ts';
import { maxMetadataBytes, ReleaseClient, summarizeSet, type Release } from '../src/trust/index.ts';

const requestTimeoutMs = 10_000;
const verifyAgainMs = 60_000;

/** The verified releases, from the first of several trackers that answers. */
export class ReleaseSource {
  readonly #trackers: readonly TrackerClient[];
  readonly #client: ReleaseClient;
  /** The tracker that answered last; it is asked first. */
  #chosen = 0;
  #verified: { readonly timestamp: string; readonly goodUntilMs: number } | undefined;

  /** @throws ConfigError when there is no tracker, or the root can't be used */
  constructor(
    components: { durability: Durability },
    init: {
      trackers: readonly string[];
      /** The only certificates that are believed of them, in PEM. */
      trackerAuthorities?: string | undefined;
      root: string;
      directory: string;
      /** Those whose delegated files are followed. */
      apps: readonly string[];
    },
  ) {
    const { root, directory, apps } = init;
    const { trackerAuthorities: known } = init;
    const fetch = known === undefined ? undefined : pinnedFetch(known);
    this.#trackers = init.trackers.map(
      (url) => new TrackerClient({ fetch }, { url, timeoutMs: requestTimeoutMs }),
    );
    if (this.#trackers.length === 0) {
      throw new ConfigError('CONFIG_MISSING', 'give a tracker: --tracker URL');
    }
    this.#client = new ReleaseClient(
      {
        durability: components.durability,
        fetchMetadata: async (name, maxBytes, options) =>
          this.#trackers[this.#chosen]?.metadata(name, maxBytes, options),
      },
      { directory, root, apps },
    );
  }

  /**
   * Asks what is new. A tracker out of reach is passed over; one whose metadata is refused is not,
   * so that the refusal is seen.
   * @throws RepositoryError when what a tracker serves is refused; TrackerError when none answers
   */
  async refresh(options: { signal: AbortSignal }): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        if (await this.#isUnchanged(options)) return;
        // What is refused may have moved on what counts as old, so no shortcut outlasts a refusal.
        this.#verified = undefined;
        await this.#client.refresh(options);
        await this.#remember();
        return;
      } catch (error) {
        if (!(error instanceof TrackerError) || tries >= this.#trackers.length) throw error;
        this.#chosen = (this.#chosen + 1) % this.#trackers.length;
      }
    }
  }

  /**
   * Whether the tracker serves the very timestamp that was verified last, and that is still good:
   * then all else is as it was, and nothing needs to be verified again. A new root is looked for
   * when the timestamp changes, and now and then.
   */
  async #isUnchanged(options: { signal: AbortSignal }): Promise<boolean> {
    const verified = this.#verified;
    if (verified === undefined || Date.now() >= verified.goodUntilMs) return false;
    const served = await this.#trackers[this.#chosen]?.metadata(
      'timestamp.json',
      maxMetadataBytes.timestamp,
      options,
    );
    return served !== undefined && Buffer.from(served).toString('utf8') === verified.timestamp;
  }

  async #remember(): Promise<void> {
    const set = await this.#client.current();
    const goodUntilMs =
      set === undefined ? 0 : Math.min(Date.now() + verifyAgainMs, +summarizeSet(set).expires);
    this.#verified = set && { timestamp: set.timestamp, goodUntilMs };
  }

  /** The newest release of a channel that was ever verified. */
  releaseOf(app: string, channel: string): Promise<Release | undefined> {
    return this.#client.releaseOf(app, channel);
  }
}
