import type { ChannelStatus } from '../src/api/index.ts';
import type { ChannelReport, Permit } from '../src/control/index.ts';
import { ActivationError, ConfigError, ImageError, type RepositoryError } from '../src/errors.ts';
import { readManifest, type Manifest, type StoredImage } from '../src/image/index.ts';
import { cancellableDelay, type Exchange } from '../src/swarm/index.ts';
import type { Release } from '../src/trust/index.ts';
import { abortable } from './abortable.ts';
import type { Activation } from './activation.ts';
import { ChannelStanding, type FaultEvent } from './channel-standing.ts';
import { ChannelReporter, reportedState, type ChannelFacts } from './fleet/channel-reporter.ts';
import type { Order, PermitBook } from './fleet/permit-book.ts';
import type { Log } from './guard.ts';
import { startWhenMet } from './late-start.ts';
import { unmetNeeds } from './needs.ts';
import type { ReleaseSource } from './release-source.ts';
import { ReleaseSteps, type StepEvent } from './release-steps.ts';
import type { AppSettings } from './settings/app-settings.ts';

export interface FollowerComponents {
  readonly releases: Pick<ReleaseSource, 'releaseOf'>;
  readonly exchange: Pick<Exchange, 'fetch' | 'leave'>;
  readonly activation: Activation;
  readonly settings: Pick<AppSettings, 'changed'>;
  readonly permits: PermitBook;
  readonly log: Log;
}

export interface FollowerInit {
  readonly app: string;
  readonly channel: string;
  /** Whether there is a fleet whose trackers permit releases that have a plan. */
  readonly hasFleet: boolean;
  readonly onEvent: (event: FollowerEvent) => void;
  /** After an activation: removes what no generation needs any more. */
  readonly onActivated: () => Promise<void>;
  /** An image that was fetched and never activated here gave way to a newer one. */
  readonly onLeft: (imageId: string) => Promise<void>;
  /** The image ids of the app that were to be preheated, and are all here. */
  readonly preheated: () => readonly string[];
}

export type FollowerEvent =
  { readonly event: 'release'; readonly release: Release } | StepEvent | FaultEvent;

/** What is being done for a release. */
interface Work {
  readonly imageId: string;
  /** Whether it is an activation that a rollout has permitted: it is ended, once it was begun. */
  readonly isPermitted: boolean;
  readonly ending: AbortController;
  done: Promise<void>;
}

const retryStorageMs = 5_000;

/**
 * Keeps one host at what one channel names: fetches the image of a new release, activates it, goes
 * on seeding it. It moves only on what was verified; whatever goes wrong, what runs keeps running.
 *
 * A release without a plan is activated at once. One with a plan is fetched at once too, and
 * activated when its rollout permits it (docs/rollouts.md); without a tracker, or a fleet, never.
 */
export class Follower {
  readonly app: string;
  readonly channel: string;
  readonly activation: Activation;
  /** What rollouts are told of this channel. */
  readonly reporter: ChannelReporter;
  readonly #components: FollowerComponents;
  readonly #init: FollowerInit;
  readonly #steps: ReleaseSteps;
  readonly #standing: ChannelStanding;
  readonly #closing = new AbortController();
  #release: Release | undefined;
  #prefetched: string | undefined;
  /** What was fetched last. */
  #image: StoredImage | undefined;
  /** Of the newest release that waits for a permit. */
  #manifest: Manifest | undefined;
  /** Ended when a newer release comes. */
  #work: Work | undefined;
  #goingBack: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  /** What was said last is being kept. */
  #hearing: Promise<void> = Promise.resolve();
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
    this.#steps = new ReleaseSteps(components, init);
    this.#standing = new ChannelStanding({ onFault: init.onEvent });
    this.reporter = new ChannelReporter(components, {
      ...init,
      facts: () => this.#facts(),
    });
  }

  #facts(): ChannelFacts {
    const activation = this.activation.status();
    return {
      activation,
      newest: this.#release?.imageId,
      prefetched: this.#prefetched,
      unmet: this.#manifest === undefined ? [] : this.activation.unmet(this.#manifest),
      reason: this.#reason(),
      preheated: this.#init.preheated(),
    };
  }

  /** Why the newest release is not what runs, beside that it is not permitted. */
  #reason(): string | undefined {
    const { state, fault } = this.#standing.describe();
    const isTold = state === 'failed' || state === 'waiting' || state === 'waiting-for-settings';
    return isTold && this.#release !== undefined ? fault?.message : undefined;
  }

  /** The image id of the newest release of which all is here. */
  get prefetched(): string | undefined {
    return this.#prefetched;
  }

  status(): ChannelStatus {
    const { state, generation, pid, restarts, lastExit, health, since } = this.activation.status();
    return {
      app: this.app,
      channel: this.channel,
      ...this.#standing.describe(),
      release: this.#release && {
        number: this.#release.release,
        imageId: this.#release.imageId,
        version: this.#release.version,
      },
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
    this.#standing.setRefusal(error);
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
      this.#standing.setFault('waiting-for-settings', error);
      const ending = new AbortController();
      const starting = { ending, done: Promise.resolve() };
      this.#starting = starting;
      starting.done = this.#startLater(changed, ending.signal).finally(() => {
        this.#starting = undefined;
      });
    }
    this.reporter.open();
    this.#watching ??= this.#watchSettings(this.#closing.signal).catch(() => undefined);
  }

  /** What a release lacks, and waits for, may come. */
  async #watchSettings(signal: AbortSignal): Promise<never> {
    for (;;) {
      await abortable(this.#components.settings.changed, signal);
      this.reporter.changed();
    }
  }

  /** Starts the current generation when its needs are met. */
  async #startLater(changed: Promise<unknown>, signal: AbortSignal): Promise<void> {
    const onUnmet = (error: unknown) => {
      if (this.#work === undefined) this.#standing.setFault('waiting-for-settings', error);
    };
    try {
      await startWhenMet(this.#components, { changed, onUnmet }, { signal });
      // What is being done for a newer release says itself how it is.
      if (this.#work !== undefined) return;
      if (this.#standing.state === 'waiting-for-settings') this.#standing.set('following');
    } catch (error) {
      if (!signal.aborted) this.#standing.setFault('failed', error);
    }
  }

  /** Looks at the verified releases, and begins to move if there is something new. */
  async look(options: { signal: AbortSignal }): Promise<void> {
    const release = await this.#components.releases.releaseOf(this.app, this.channel);
    if (release === undefined) {
      if (this.#standing.state === 'following') {
        this.#standing.set('waiting', {
          code: 'REPOSITORY_NO_RELEASE',
          message: `nothing was released to ${this.app}/${this.channel} yet`,
        });
      }
      return;
    }
    if (this.#work?.imageId === release.imageId) return;
    if (release.release === this.#givenUp || !(await this.#isWanted(release))) return;
    if (this.#work !== undefined) {
      // What a rollout has begun is ended, unless what comes is to be activated now.
      if (this.#work.isPermitted && release.rollout !== undefined) return;
      this.#work.ending.abort(new Error('a newer release came'));
      await this.#work.done;
    }
    if (options.signal.aborted || this.#closing.signal.aborted) return;
    this.#init.onEvent({ event: 'release', release });
    this.#begin(release.imageId, false, (signal) => this.#move(release, signal));
  }

  /**
   * Whether something is to be done for a release: not when it runs, and not when it ran or failed
   * here and was left, by itself or by an operator. Of one with a plan its rollout decides that.
   */
  async #isWanted(release: Release): Promise<boolean> {
    this.#release = release;
    this.reporter.changed();
    const generations = await this.activation.generations();
    const current = generations.find((generation) => generation.current);
    if (current?.imageId === release.imageId) {
      await this.#setPrefetched(release.imageId);
      if (this.#starting !== undefined) return false;
      if (current.state === 'healthy') {
        const { state } = this.#standing;
        if (state === 'waiting' || state === 'waiting-for-permit') this.#standing.set('following');
        return false;
      }
    }
    if (release.rollout !== undefined) return this.#prefetched !== release.imageId;
    return !generations.some(
      (generation) =>
        generation.release === release.release &&
        generation.imageId === release.imageId &&
        generation.state !== 'created',
    );
  }

  #begin(imageId: string, isPermitted: boolean, work: (signal: AbortSignal) => Promise<void>) {
    const ending = new AbortController();
    const current: Work = { imageId, isPermitted, ending, done: Promise.resolve() };
    this.#work = current;
    current.done = work(AbortSignal.any([ending.signal, this.#closing.signal])).finally(() => {
      if (this.#work === current) this.#work = undefined;
      if (!isPermitted) this.#obey();
    });
  }

  async #move(release: Release, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#standing.set('fetching');
        const image = await this.#steps.fetch(release, signal);
        this.#image = image;
        this.#manifest = release.rollout === undefined ? undefined : await readManifest(image.tree);
        await this.#setPrefetched(release.imageId);
        if (release.rollout !== undefined) {
          this.#waitForPermit(release);
          return;
        }
        this.#standing.set('activating');
        await this.#activateWhenMet(release, image, signal);
        this.#standing.set('following');
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!isPassing(error)) {
          this.#givenUp = release.release;
          this.#standing.setFault(error instanceof ConfigError ? 'waiting' : 'failed', error);
          return;
        }
        this.#standing.setFault('waiting', error);
        await cancellableDelay(retryStorageMs, signal);
      }
    }
  }

  async #setPrefetched(imageId: string): Promise<void> {
    const before = this.#prefetched;
    if (before === imageId) return;
    this.#prefetched = imageId;
    this.reporter.changed();
    if (before !== undefined) await this.#init.onLeft(before);
  }

  /** An image whose needs are not met waits for settings; what runs keeps running meanwhile. */
  async #activateWhenMet(release: Release, image: StoredImage, signal: AbortSignal): Promise<void> {
    const onStep = () => {
      if (this.#standing.state === 'waiting-for-settings') this.#standing.set('activating');
    };
    for (;;) {
      // Asked for first: what comes during the attempt counts for the next one.
      const { changed } = this.#components.settings;
      try {
        await this.#steps.activate(release, image, { signal, onStep });
        return;
      } catch (error) {
        if (!unmetNeeds(error)) throw error;
        this.#standing.setFault('waiting-for-settings', error);
      }
      await abortable(changed, signal);
    }
  }

  #waitForPermit({ version }: Release): void {
    const why = this.#init.hasFleet
      ? 'until its rollout permits it; if that was stopped, release again'
      : 'for ever: it is to be rolled out by trackers, and this host joined no fleet. Join one, or release the image without a plan.';
    const message = `version ${version} is here, and is not activated ${why}`;
    this.#standing.set('waiting-for-permit', { code: 'ACTIVATION_NOT_PERMITTED', message });
  }

  /**
   * A tracker says what rollouts have decided about this channel. What can't be kept is not done; the
   * tracker says it again.
   */
  onPermits(permits: readonly Permit[]): void {
    this.#hearing = this.#hearing.then(async () => {
      try {
        await this.#components.permits.take(permits);
      } catch (error) {
        this.#components.log.error({ err: error }, 'what a rollout ordered could not be kept');
        return;
      }
      this.reporter.changed();
      this.#obey();
    });
  }

  /** Does what was ordered, as soon as it can be done: each order comes again while it is open. */
  #obey(): void {
    const { permits } = this.#components;
    const { order } = permits;
    if (order === undefined || this.#closing.signal.aborted || this.#goingBack) return;
    if (order.action === 'goBack') {
      this.#goingBack = this.#sendBack(order).finally(() => {
        this.#goingBack = undefined;
      });
    } else if (order.action === 'activate' && this.#work === undefined && permits.holds(order)) {
      const release = this.#release;
      if (release?.rollout === undefined || release.imageId !== order.release) return;
      if (this.#prefetched !== order.release || this.#stateOn(release) === 'activating') return;
      this.#begin(release.imageId, true, (signal) => this.#activate(release, order, signal));
    }
  }

  /** Activates what a rollout has permitted. What fails is tried again by another permit alone. */
  async #activate(release: Release, order: Order, signal: AbortSignal): Promise<void> {
    const { permits } = this.#components;
    const begin = async () => {
      await permits.begin(order);
      this.#standing.set('activating');
    };
    try {
      if (this.#stateOn(release) === 'healthy') {
        await permits.begin(order);
      } else {
        const kept = this.#image?.imageId === release.imageId ? this.#image : undefined;
        const image = kept ?? (await this.#steps.fetch(release, signal));
        await this.#steps.activate(release, image, { signal, begin });
      }
      this.#standing.set('following');
    } catch (error) {
      if (signal.aborted) return;
      if (isNotPermitted(error)) this.#waitForPermit(release);
      else if (unmetNeeds(error)) this.#standing.setFault('waiting-for-settings', error);
      else this.#standing.setFault(isPassing(error) ? 'waiting' : 'failed', error);
    } finally {
      this.reporter.changed();
    }
  }

  /** How this host is on a release; undefined: it is on another one, or on none. */
  #stateOn({ imageId }: Release): ChannelReport['state'] | undefined {
    const facts = this.#facts();
    return facts.activation.generation?.imageId === imageId ? reportedState(facts) : undefined;
  }

  /** Leaves a release, also in the middle of its activation: that is broken off, which goes back. */
  async #sendBack(order: Order): Promise<void> {
    const { permits, log } = this.#components;
    const { signal } = this.#closing;
    const work = this.#work;
    if (work?.isPermitted && work.imageId === order.release) {
      work.ending.abort(new Error('its rollout sends this host back'));
      await work.done;
    }
    const begin = () => permits.begin(order);
    try {
      await this.activation.leave(order.release, { signal, begin });
      if (this.#release?.imageId === order.release) this.#waitForPermit(this.#release);
    } catch (error) {
      if (signal.aborted || isNotPermitted(error)) return;
      this.#standing.setFault('failed', error);
      if (isPassing(error) || permits.acted >= order.epoch) return;
      // It stays, and its rollout hears that by its having acted on the order.
      await begin().catch((cause: unknown) => {
        log.error({ err: cause }, 'that this host stays could not be noted');
      });
    } finally {
      this.reporter.changed();
    }
  }

  /** Ends what is being done; nothing half-activated is left. */
  async stop(): Promise<void> {
    // What is stopped with the fetcher has not failed.
    await this.reporter.close();
    this.#closing.abort(new Error('the fetcher ends'));
    this.#starting?.ending.abort(new Error('the fetcher ends'));
    const running = [this.#work?.done, this.#starting?.done, this.#goingBack, this.#hearing];
    await Promise.all([...running, this.#watching]);
  }
}

/** A disk may get room again; an image that is wrong stays wrong. */
const isPassing = (error: unknown): boolean =>
  !(
    error instanceof ActivationError ||
    error instanceof ImageError ||
    error instanceof ConfigError
  );

const isNotPermitted = (error: unknown): boolean =>
  error instanceof ActivationError && error.code === 'ACTIVATION_NOT_PERMITTED';
