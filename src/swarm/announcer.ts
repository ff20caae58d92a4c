import { announce, type AnnounceRequest, type Endpoint } from './announce.ts';
import { cancellableDelay } from './delay.ts';

export interface AnnouncerInit {
  readonly trackers: readonly string[];
  /** What to announce at the moment. */
  readonly describe: () => Omit<AnnounceRequest, 'event'>;
  /** Whether more peers are needed at once: then it asks sooner than the tracker's interval. */
  readonly isStarving: () => boolean;
  readonly onEndpoints: (endpoints: readonly Endpoint[]) => void;
  readonly onError: (error: unknown) => void;
}

const hungryMs = { first: 500, most: 15_000 };
const retryMs = { first: 1_000, most: 30_000 };

/**
 * Keeps a swarm announced to its trackers, each for itself, until it is closed. A tracker out of
 * reach is tried again with growing pauses; the swarm lives on without it.
 */
export class Announcer implements AsyncDisposable {
  readonly #init: AnnouncerInit;
  readonly #random: () => number;
  readonly #closing = new AbortController();
  readonly #loops: Promise<void>[];
  #wake = new AbortController();
  #completed = false;

  constructor(components: { random: () => number }, init: AnnouncerInit) {
    this.#random = components.random;
    this.#init = init;
    this.#loops = init.trackers.map((tracker) => this.#loop(tracker));
  }

  /** Tells the trackers that the image is whole here. */
  announceCompleted(): void {
    this.#completed = true;
    this.#hurry();
  }

  #hurry(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  async #loop(tracker: string): Promise<void> {
    const signal = this.#closing.signal;
    let event: AnnounceRequest['event'] = 'started';
    let completedSent = this.#completed;
    let failures = 0;
    let hungry = 0;
    while (!signal.aborted) {
      // Taken before the request, so that a completion during it cuts the pause short.
      const wake = this.#wake.signal;
      let pauseMs: number;
      if (this.#completed && !completedSent && event === undefined) event = 'completed';
      try {
        const request = { ...this.#init.describe(), event };
        const response = await announce(tracker, request, { signal });
        if (event === 'completed') completedSent = true;
        event = undefined;
        failures = 0;
        this.#init.onEndpoints(response.endpoints);
        hungry = this.#init.isStarving() ? hungry + 1 : 0;
        const soonMs = hungryMs.first * 2 ** (hungry - 1);
        pauseMs =
          hungry === 0 ? response.intervalMs : Math.min(response.intervalMs, hungryMs.most, soonMs);
      } catch (error) {
        if (signal.aborted) return;
        this.#init.onError(error);
        pauseMs = Math.min(retryMs.most, retryMs.first * 2 ** failures++);
      }
      // Spread, so that a fleet that was started at once does not announce at once for ever.
      pauseMs *= 0.75 + this.#random() * 0.25;
      await cancellableDelay(pauseMs, AbortSignal.any([signal, wake]));
    }
  }

  /** Says good-bye to the trackers, briefly, and ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await Promise.all(this.#loops);
    const request = { ...this.#init.describe(), event: 'stopped' as const, wanted: 0 };
    const signal = AbortSignal.timeout(1_000);
    await Promise.allSettled(
      this.#init.trackers.map((tracker) => announce(tracker, request, { signal })),
    );
  }
}
