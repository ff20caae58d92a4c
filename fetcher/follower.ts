import type { ChannelStatus } from '../src/api/index.ts';
import {
  ActivationError,
  ConfigError,
  ImageError,
  isStarlingError,
  type RepositoryError,
} from '../src/errors.ts';
import { readManifest, type StoredImage } from '../src/image/index.ts';
import { cancellableDelay, type Exchange } from '../src/swarm/index.ts';
import type { Release } from '../src/trust/index.ts';
import { abortable } from './abortable.ts';
import type { Activation } from './activation.ts';
import type { ActivationProgress } from './activation-types.ts';
import { unmetNeeds } from './needs.ts';
import type { ReleaseSource } from './release-source.ts';
import type { AppSettings } from './settings/app-settings.ts';

export interface FollowerComponents {
  readonly releases: ReleaseSource;
  readonly exchange: Exchange;
  readonly activation: Activation;
  readonly settings: Pick<AppSettings, 'changed'>;
}

export interface FollowerInit {
  readonly app: string;
  readonly channel: string;
  readonly onEvent: (event: FollowerEvent) => void;
  /** After an activation: removes what no generation needs any more. */
  readonly onActivated: () => Promise<void>;
}

export type FollowerEvent =
  | { readonly event: 'release'; readonly release: Release }
  | { readonly event: 'fetched'; readonly release: Release; readonly reusedBytes: number }
  | { readonly event: 'activating'; readonly release: Release; readonly step: ActivationProgress }
  | { readonly event: 'active'; readonly release: Release; readonly generation: number }
  | {
      readonly event: 'fault';
      readonly state: ChannelState;
      readonly code: string;
      readonly message: string;
    };

type ChannelState = ChannelStatus['state'];

interface Fault {
  readonly code: string;
  readonly message: string;
  /** What is wrong with each need that is not met. */
  readonly needs?: Record<string, string>;
}

const retryStorageMs = 5_000;

/**
 * Keeps one host at what one channel names: fetches the image of a new release, activates it, goes
 * on seeding it. It moves only on what was verified; whatever goes wrong, what runs keeps running.
 */
export class Follower {
  readonly app: string;
  readonly channel: string;
  readonly activation: Activation;
  readonly #components: FollowerComponents;
  readonly #init: FollowerInit;
  #state: ChannelState = 'following';
  #fault: Fault | undefined;
  /** For which needs it waits, also while it says something else. */
  #unmet: Fault | undefined;
  #release: Release | undefined;
  /** What is being done for a release; ended when a newer one comes. */
  #work:
    { readonly imageId: string; readonly ending: AbortController; done: Promise<void> } | undefined;
  /** A release that can't be brought to life here; it is not tried again. */
  #givenUp: number | undefined;
  /** The wait for the values without which the current generation can't be started. */
  #starting: { readonly ending: AbortController; done: Promise<void> } | undefined;

  constructor(components: FollowerComponents, init: FollowerInit) {
    this.app = init.app;
    this.channel = init.channel;
    this.activation = components.activation;
    this.#components = components;
    this.#init = init;
  }

  status(): ChannelStatus {
    const { state, generation, pid, restarts, lastExit, health, since } = this.activation.status();
    return {
      app: this.app,
      channel: this.channel,
      state: this.#state,
      release: this.#release && {
        number: this.#release.release,
        imageId: this.#release.imageId,
        version: this.#release.version,
      },
      fault: this.#fault,
      activation: {
        state,
        generation: generation?.number,
        imageId: generation?.imageId,
        version: generation?.version,
        pid,
        restarts,
        lastExit,
        healthy: health?.ok,
        since: since.toISOString(),
      },
    };
  }

  /** The metadata was refused as a whole, or (without an error) accepted again. */
  onRefresh(error: RepositoryError | undefined): void {
    if (error !== undefined) this.#setFault('refused', error);
    else if (this.#state !== 'refused') return;
    else if (this.#unmet === undefined) this.#set('following');
    else this.#set('waiting-for-settings', this.#unmet);
  }

  /**
   * Brings what was current here to life again. When its needs are not met it waits for settings,
   * and other releases are followed meanwhile.
   * @throws ConfigError, StorageError
   */
  async open(options: { readonly signal: AbortSignal }): Promise<void> {
    const { changed } = this.#components.settings;
    try {
      await this.activation.open(options);
    } catch (error) {
      if (!unmetNeeds(error)) throw error;
      this.#setFault('waiting-for-settings', error);
      const ending = new AbortController();
      const starting = { ending, done: Promise.resolve() };
      this.#starting = starting;
      starting.done = this.#startLater(changed, ending.signal).finally(() => {
        this.#starting = undefined;
      });
    }
  }

  /** Starts the current generation as soon as its needs are met, unless another one is running. */
  async #startLater(firstChange: Promise<unknown>, signal: AbortSignal): Promise<void> {
    try {
      for (let changed = firstChange; ;) {
        await abortable(changed, signal);
        ({ changed } = this.#components.settings);
        const error = await this.#startCurrent(signal);
        if (error === undefined) break;
        if (this.#work === undefined) this.#setFault('waiting-for-settings', error);
      }
      // What is being done for a newer release says itself how it is.
      if (this.#work !== undefined) return;
      this.#unmet = undefined;
      if (this.#state === 'waiting-for-settings') this.#set('following');
    } catch (error) {
      if (!signal.aborted) this.#setFault('failed', error);
    }
  }

  /** @returns the error that says which needs are not met */
  async #startCurrent(signal: AbortSignal): Promise<unknown> {
    try {
      await this.activation.startCurrent({ signal });
      return undefined;
    } catch (error) {
      if (unmetNeeds(error)) return error;
      throw error;
    }
  }

  /** Looks at the verified releases, and begins to move if there is something new. */
  async look(options: { signal: AbortSignal }): Promise<void> {
    const release = await this.#components.releases.releaseOf(this.app, this.channel);
    if (release === undefined) {
      if (this.#state === 'following') {
        this.#set('waiting', {
          code: 'REPOSITORY_NO_RELEASE',
          message: `nothing was released to ${this.app}/${this.channel} yet`,
        });
      }
      return;
    }
    if (this.#work?.imageId === release.imageId) return;
    if (release.release === this.#givenUp || !(await this.#isWanted(release))) return;
    if (this.#work !== undefined) {
      this.#work.ending.abort(new Error('a newer release came'));
      await this.#work.done;
    }
    if (options.signal.aborted) return;
    this.#begin(release, options.signal);
  }

  /**
   * Whether a release is to be activated: not when it runs, and not when it ran or failed here and
   * was left, by itself or by an operator.
   */
  async #isWanted(release: Release): Promise<boolean> {
    this.#release = release;
    const generations = await this.activation.generations();
    const current = generations.find((generation) => generation.current);
    if (current?.imageId === release.imageId && this.#starting !== undefined) return false;
    if (current?.imageId === release.imageId && current.state === 'healthy') {
      if (this.#state === 'waiting') this.#set('following');
      return false;
    }
    return !generations.some(
      (generation) =>
        generation.release === release.release &&
        generation.imageId === release.imageId &&
        generation.state !== 'created',
    );
  }

  #begin(release: Release, signal: AbortSignal): void {
    const ending = new AbortController();
    const work = { imageId: release.imageId, ending, done: Promise.resolve() };
    this.#work = work;
    this.#init.onEvent({ event: 'release', release });
    work.done = this.#move(release, AbortSignal.any([signal, ending.signal])).finally(() => {
      if (this.#work === work) this.#work = undefined;
    });
  }

  async #move(release: Release, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#set('fetching');
        const image = await this.#fetch(release, signal);
        this.#set('activating');
        await this.#activateWhenMet(release, image, signal);
        this.#set('following');
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#isPassing(error)) {
          this.#givenUp = release.release;
          this.#setFault(error instanceof ConfigError ? 'waiting' : 'failed', error);
          return;
        }
        this.#setFault('waiting', error);
        await cancellableDelay(retryStorageMs, signal);
      }
    }
  }

  /** A disk may get room again; an image that is wrong stays wrong. */
  #isPassing(error: unknown): boolean {
    return !(
      error instanceof ActivationError ||
      error instanceof ImageError ||
      error instanceof ConfigError
    );
  }

  async #fetch(release: Release, signal: AbortSignal): Promise<StoredImage> {
    const { imageId, infoBytes } = release;
    const swarm = this.#components.exchange.fetch(imageId, {
      infoBytes,
      apps: [this.app],
    });
    try {
      const image = await abortable(swarm.completed, signal);
      const { reusedBytes } = swarm.status();
      this.#init.onEvent({ event: 'fetched', release, reusedBytes });
      return image;
    } catch (error) {
      await this.#components.exchange.leave(imageId);
      throw error;
    }
  }

  /** An image whose needs are not met waits for settings; what runs keeps running meanwhile. */
  async #activateWhenMet(release: Release, image: StoredImage, signal: AbortSignal): Promise<void> {
    for (;;) {
      // Asked for first: what comes during the attempt counts for the next one.
      const { changed } = this.#components.settings;
      try {
        await this.#activate(release, image, signal);
        return;
      } catch (error) {
        if (!unmetNeeds(error)) throw error;
        this.#setFault('waiting-for-settings', error);
      }
      await abortable(changed, signal);
    }
  }

  async #activate(release: Release, image: StoredImage, signal: AbortSignal): Promise<void> {
    const manifest = await readManifest(image.tree);
    const { imageId, version } = release;
    const generation = await this.activation.activate(
      { imageId, tree: image.tree, manifest, release: release.release, version },
      {
        signal,
        onProgress: (step) => {
          if (this.#state === 'waiting-for-settings') this.#set('activating');
          this.#init.onEvent({ event: 'activating', release, step });
        },
      },
    );
    this.#init.onEvent({ event: 'active', release, generation: generation.number });
    await this.#init.onActivated();
  }

  #set(state: ChannelState, fault?: Fault): void {
    this.#state = state;
    this.#fault = fault;
    if (state === 'waiting-for-settings') this.#unmet = fault;
    else if (state !== 'refused') this.#unmet = undefined;
  }

  #setFault(state: ChannelState, error: unknown): void {
    const code = isStarlingError(error) ? error.code : 'FAILED';
    const message = error instanceof Error ? error.message : String(error);
    const known = this.#state === state && this.#fault?.message === message;
    const needs = unmetNeeds(error);
    this.#set(state, { code, message, ...(needs === undefined ? {} : { needs: { ...needs } }) });
    if (!known) this.#init.onEvent({ event: 'fault', state, code, message });
  }

  /** Ends what is being done; nothing half-activated is left. */
  async stop(): Promise<void> {
    for (const work of [this.#work, this.#starting]) {
      work?.ending.abort(new Error('the fetcher ends'));
      await work?.done;
    }
  }
}
