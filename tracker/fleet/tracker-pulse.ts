import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../../src/control/index.ts';
import type { Store } from '../store/index.ts';
import { trackerKey, trackerPrefix } from './host-records.ts';
import type { Watches } from './watches.ts';

export interface TrackerPulseComponents {
  readonly store: Store;
  readonly watches: Watches;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
}

export interface TrackerPulseInit {
  readonly trackerId: string;
  /** Without others nobody is told. */
  readonly isShared: boolean;
  readonly heartbeatMs: number;
  readonly deadAfterMs: number;
}

/** Which trackers live: each says so again and again, and is listened to by this tracker's clock. */
export class TrackerPulse implements AsyncDisposable {
  readonly #components: TrackerPulseComponents;
  readonly #init: TrackerPulseInit;
  readonly #seenMs = new Map<string, number>();
  readonly #startedMs: number;
  #beating: NodeJS.Timeout | undefined;
  #beat: Promise<void> = Promise.resolve();

  constructor(components: TrackerPulseComponents, init: TrackerPulseInit) {
    this.#components = components;
    this.#init = init;
    this.#startedMs = components.clock.now();
  }

  async start(): Promise<void> {
    if (!this.#init.isShared) return;
    await this.#say();
    this.#beating = setInterval(() => {
      this.#beat = this.#say();
    }, this.#init.heartbeatMs).unref();
    await this.#listen();
  }

  /** Since when a tracker is dead; undefined: it lives. One that is not known had time since the start. */
  deadSinceMs(trackerId: string): number | undefined {
    if (trackerId === this.#init.trackerId) return undefined;
    const seenMs = this.#seenMs.get(trackerId) ?? this.#startedMs;
    return this.#components.clock.now() - seenMs >= this.#init.deadAfterMs ? seenMs : undefined;
  }

  async #say(): Promise<void> {
    const { store, clock, log } = this.#components;
    const key = trackerKey(this.#init.trackerId);
    try {
      await store.commit({ put: [{ key, value: JSON.stringify({ atMs: clock.now() }) }] });
      await this.#bury();
    } catch (error) {
      log.debug({ err: error }, 'this tracker could not say that it lives');
    }
  }

  /** Nobody looks for one that has been silent for long. */
  async #bury(): Promise<void> {
    const longMs = 20 * this.#init.deadAfterMs;
    const nowMs = this.#components.clock.now();
    const gone = [...this.#seenMs].filter(([, seenMs]) => nowMs - seenMs >= longMs);
    if (gone.length === 0) return;
    await this.#components.store.commit({
      remove: gone.slice(0, 50).map(([id]) => trackerKey(id)),
    });
  }

  async #listen(): Promise<void> {
    const { watches, clock } = this.#components;
    await watches.follow(trackerPrefix, {
      onChange: ({ key, value }) => {
        const id = key.slice(trackerPrefix.length);
        // A batch of all that there is says nothing of when it was said.
        if (value !== undefined) this.#seenMs.set(id, clock.now());
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beating);
    await this.#beat;
    if (!this.#init.isShared) return;
    const remove = [trackerKey(this.#init.trackerId)];
    await this.#components.store.commit({ remove }).catch(() => undefined);
  }
}
