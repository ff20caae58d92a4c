import type {
  FetcherStatus,
  HostSettings,
  LimitChangeRequest,
  Limits,
  RollbackRequest,
  SwarmLimitChangeRequest,
} from '../src/api/index.ts';
import type { ChannelReport, Permit } from '../src/control/index.ts';
import { ConfigError, RepositoryError } from '../src/errors.ts';
import { removeTree } from '../src/image/index.ts';
import { cancellableDelay } from '../src/swarm/index.ts';
import { defaultConfig, type FetcherConfig } from './config.ts';
import { FetcherDirectory } from './fetcher-directory.ts';
import { openParts, type FetcherComponents, type FetcherParts } from './fetcher-parts.ts';
import type { PreheatImage } from './fleet/preheating.ts';
import type { Follower } from './follower.ts';
import type { Generation } from './generation-record.ts';
import { limitsToSet, limitsToTell } from './limits.ts';
import { LocalApi } from './local-api.ts';
import { describeSettings } from './settings/host-settings.ts';
import type { SettingsStore } from './settings/settings-store.ts';

/**
 * The fetcher of one host: follows channels, fetches, verifies, activates, keeps seeding. Dispose
 * of it to end it, with the applications that it runs.
 */
export class Fetcher implements AsyncDisposable {
  readonly #config: FetcherConfig;
  readonly #components: FetcherComponents;
  readonly #parts: FetcherParts;
  readonly #resources: AsyncDisposableStack;
  readonly #ending = new AbortController();
  /** Aborted when it is to look for releases at once. */
  #pause = new AbortController();
  #polling: Promise<void> = Promise.resolve();
  #lastWarning: string | undefined;

  private constructor(
    components: FetcherComponents,
    config: FetcherConfig,
    parts: FetcherParts,
    resources: AsyncDisposableStack,
  ) {
    this.#components = components;
    this.#config = config;
    this.#parts = parts;
    this.#resources = resources;
  }

  /**
   * Starts a fetcher; what was running here before runs again when this returns.
   * @throws ConfigError, StorageError
   */
  static async start(
    components: FetcherComponents,
    init: Partial<FetcherConfig> & Pick<FetcherConfig, 'root' | 'trackers' | 'transport'>,
    options: { signal: AbortSignal },
  ): Promise<Fetcher> {
    const config: FetcherConfig = { ...defaultConfig, ...init };
    await using resources = new AsyncDisposableStack();
    const directory = new FetcherDirectory(config.directory);
    resources.use(await directory.lock());
    const holder: { fetcher?: Fetcher } = {};
    const parts = await openParts(components, config, directory, resources, {
      onActivated: async () => holder.fetcher?.prune(),
      onLeft: async (imageId) => holder.fetcher?.leave(imageId),
      onWarning: (message, error) => holder.fetcher?.warn(message, error),
    });
    const fetcher = new Fetcher(components, config, parts, resources.move());
    holder.fetcher = fetcher;
    try {
      await fetcher.#open(directory, options.signal);
    } catch (error) {
      await fetcher[Symbol.asyncDispose]();
      throw error;
    }
    return fetcher;
  }

  async #open(directory: FetcherDirectory, signal: AbortSignal): Promise<void> {
    const { store, exchange, followers } = this.#parts;
    for (const imageId of await store.list()) {
      try {
        exchange.seed(await store.read(imageId));
      } catch (error) {
        this.warn(`the image ${imageId} is damaged, and is fetched again when it is needed`, error);
        await store.remove(imageId);
      }
    }
    for (const follower of followers) {
      await this.#openActivation(follower, signal);
      for (const imageId of await follower.activation.imagesInUse()) {
        exchange.addApps(imageId, [follower.app]);
      }
    }
    this.#resources.use(await LocalApi.open({ fetcher: this }, { socketPath: directory.socket }));
    this.#polling = this.#poll();
  }

  /** A generation that can't be run with what is supplied does not keep others from being fetched. */
  async #openActivation(follower: Follower, signal: AbortSignal): Promise<void> {
    try {
      await follower.open({ signal });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.warn(`${follower.app}/${follower.channel} can't be started`, error);
    }
  }

  /** The settings of the apps that are followed; who is told of a revision gives it to these. */
  get settings(): SettingsStore {
    return this.#parts.settings;
  }

  get port(): number {
    return this.#parts.exchange.port;
  }

  status(): FetcherStatus {
    return {
      running: true,
      pid: process.pid,
      port: this.port,
      channels: this.#parts.followers.map((follower) => follower.status()),
      swarms: this.#parts.exchange.status().map((swarm) => ({
        ...swarm,
        sources: [...swarm.sources],
        limits: limitsToTell(this.#parts.exchange.swarmLimits(swarm.imageId)),
      })),
    };
  }

  /** What holds now of the settings of apps, and what their images need. */
  describeSettings(): HostSettings {
    return describeSettings(this.#parts.settings, this.#parts.channels);
  }

  /** What holds now, of all swarms together and of each. */
  limits(): Limits {
    const { exchange } = this.#parts;
    const swarms = exchange.status().map(({ imageId, name }) => ({
      imageId,
      name,
      ...limitsToTell(exchange.swarmLimits(imageId)),
    }));
    return { ...limitsToTell(exchange.limits), swarms };
  }

  /** Changes the limits of all swarms together, until this fetcher ends. */
  setLimits(change: LimitChangeRequest): void {
    this.#parts.exchange.setLimits(limitsToSet(change));
  }

  /**
   * Changes limits and priority of one swarm, until this fetcher ends or leaves it.
   * @throws ConfigError CONFIG_INVALID when this host has no such image
   */
  setSwarmLimits(imageId: string, change: SwarmLimitChangeRequest): void {
    const { priority } = change;
    this.#parts.exchange.setSwarmLimits(imageId, { ...limitsToSet(change), priority });
  }

  /** All generations of all channels. */
  async generations(): Promise<(Generation & { current: boolean })[]> {
    const lists = this.#parts.followers.map(({ activation }) => activation.generations());
    return (await Promise.all(lists)).flat();
  }

  /**
   * Goes back, as an operator says. The release that is left is not activated again by itself.
   * @throws ActivationError ACTIVATION_NO_GENERATION; ConfigError for a channel not followed
   */
  async rollback(request: RollbackRequest): Promise<Generation> {
    const { app, channel, to } = request;
    const follower = this.#parts.followers.find(
      (candidate) => candidate.app === app && candidate.channel === channel,
    );
    if (follower === undefined) {
      throw new ConfigError('CONFIG_INVALID', `${app}/${channel} is not followed here`);
    }
    const { signal } = this.#ending;
    return follower.activation.rollback({ signal, ...(to === undefined ? {} : { to }) });
  }

  /** What a tracker says of rollouts. */
  onPermits(permits: readonly Permit[]): void {
    for (const follower of this.#parts.followers) {
      const { app, channel } = follower;
      const own = permits.filter((permit) => permit.app === app && permit.channel === channel);
      if (own.length > 0) follower.onPermits(own);
    }
  }

  /** Fetches images of the apps that are followed here before they are released. */
  preheat(images: readonly PreheatImage[]): void {
    const followed = new Set(this.#config.follow.map(({ app }) => app));
    this.#parts.preheating.want(images.filter(({ app }) => followed.has(app)));
  }

  /** Who is told how each channel is here: now, and whenever something of it changes. */
  onReport(listener: (report: ChannelReport) => void): void {
    for (const { reporter } of this.#parts.followers) reporter.onChange(listener);
  }

  async #poll(): Promise<void> {
    const { signal } = this.#ending;
    const random = this.#components.random ?? Math.random;
    while (!signal.aborted) {
      await this.#refresh(signal).catch((error: unknown) => {
        this.warn('looking for releases failed; it is tried again', error);
      });
      const early = AbortSignal.any([signal, this.#pause.signal]);
      await cancellableDelay(this.#config.pollMs * (1 - random() / 4), early);
      this.#pause = new AbortController();
    }
  }

  /** Looks for releases now, and does not wait for the next time. */
  lookNow(): void {
    this.#pause.abort();
  }

  /** The channels that are followed. */
  get follows(): readonly { readonly app: string; readonly channel: string }[] {
    return this.#config.follow;
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { releases, followers } = this.#parts;
    let refusal: RepositoryError | undefined;
    try {
      await releases.refresh({ signal });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof RepositoryError)) throw error;
      refusal = error;
    }
    for (const follower of followers) {
      follower.onRefresh(refusal);
      await follower.look({ signal });
    }
    this.#lastWarning = undefined;
  }

  /** Says something once, until it is well again. */
  warn(message: string, error?: unknown): void {
    const why = error instanceof Error ? `: ${error.message}` : '';
    const text = `${message}${why}`;
    if (this.#lastWarning === text || this.#ending.signal.aborted) return;
    this.#lastWarning = text;
    this.#components.onEvent?.({ event: 'warning', message: text });
  }

  /** Removes generations beyond those to keep, and images that none of them needs. */
  async prune(): Promise<void> {
    const { signal } = this.#ending;
    const { store, exchange, followers } = this.#parts;
    const unused = new Set<string>();
    for (const { activation } of followers) {
      for (const imageId of await activation.prune({ signal })) unused.add(imageId);
    }
    for (const imageId of unused) {
      if (!this.#parts.preheating.wants(imageId)) await this.leave(imageId);
    }
    for (const imageId of await store.listIncoming()) {
      if (exchange.swarm(imageId) === undefined) await removeTree(store.incomingPath(imageId));
    }
  }

  /** Removes an image, unless a generation has it, or it waits to be activated. */
  async leave(imageId: string): Promise<void> {
    const { store, exchange, followers } = this.#parts;
    for (const { activation, prefetched } of followers) {
      if (prefetched === imageId || (await activation.imagesInUse()).has(imageId)) return;
    }
    await exchange.leave(imageId);
    await store.remove(imageId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new Error('the fetcher ends'));
    await Promise.all(this.#parts.followers.map((follower) => follower.stop()));
    await this.#polling;
    await this.#resources.disposeAsync();
  }
}
