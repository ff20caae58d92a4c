import type { StoredImage } from '../image/index.ts';
import type { SwarmState } from './swarm-status.ts';

const progressMs = 50;

/** While it needs peers: for what. */
const phases: Partial<Record<SwarmState, 'metadata' | 'fetching'>> = {
  metadata: 'metadata',
  layers: 'metadata',
  fetching: 'fetching',
};

/** Where a swarm stands in its life, the steps of it that run, and who is told of what changes. */
export class SwarmLife {
  /** Settles when the image is whole and in the store. */
  readonly completed: Promise<StoredImage>;
  onChange: (() => void) | undefined;
  readonly #onFailed: () => void;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #resolve: (image: StoredImage) => void;
  readonly #reject: (error: unknown) => void;
  #state: SwarmState = 'metadata';
  #reason: string | undefined;
  #changeTimer: NodeJS.Timeout | undefined;

  constructor(init: { onFailed: () => void }) {
    this.#onFailed = init.onFailed;
    const { promise, resolve, reject } = Promise.withResolvers<StoredImage>();
    this.completed = promise;
    promise.catch(() => undefined);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get state(): SwarmState {
    return this.#state;
  }

  /** What it needs peers for; `idle`: it does not. */
  get phase(): 'metadata' | 'fetching' | 'idle' {
    return phases[this.#state] ?? 'idle';
  }

  /** Why it is paused, or failed. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Aborted when the swarm is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  set(state: SwarmState, reason?: string): void {
    if (this.#state === 'closed') return;
    this.#state = state;
    this.#reason = reason;
    this.onChange?.();
  }

  /** The image is whole and in the store. */
  complete(stored: StoredImage): void {
    this.set('seeding');
    this.#resolve(stored);
  }

  /** Progress is told now and then; what else changes, at once. */
  changedSoon(): void {
    if (this.#state === 'closed') return;
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = undefined;
      this.onChange?.();
    }, progressMs);
  }

  /** Runs a step of the swarm's life; the one place where its failures go. */
  run(step: () => Promise<void> | void): void {
    const running = Promise.resolve()
      .then(step)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return;
        this.#onFailed();
        this.set('failed', error instanceof Error ? error.message : String(error));
        this.#reject(error);
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Ends it: something went wrong that is not an image's or a peer's fault. */
  fail(error: unknown): void {
    this.run(() => {
      throw error;
    });
  }

  /** Ends it for good; who waits for the image gets this error. Steps that run see the signal. */
  close(error: Error): void {
    this.#closing.abort();
    clearTimeout(this.#changeTimer);
    this.set('closed');
    this.#reject(error);
  }

  /** Waits until no step runs any more. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
