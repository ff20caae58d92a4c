import type { FastifyBaseLogger } from 'fastify';
import { StoreError } from '../../src/errors.ts';
import type { Change, ChangeBatch, Store } from '../store/index.ts';

export interface WatchesComponents {
  readonly store: Pick<Store, 'watch'>;
  readonly log: FastifyBaseLogger;
}

export interface WatchesInit {
  /** A watch that has failed is begun anew after this time. */
  readonly againMs: number;
  /** Changes are not heard from now on. */
  readonly onBlind?: (() => void) | undefined;
}

export interface Following {
  /** All that there is will be told now: what was known and is not told then is gone. */
  readonly onWhole?: () => void;
  /** One change. What it throws is logged, and the next change is told. */
  readonly onChange: (change: Change) => void;
  /** All changes of some commits were told. */
  readonly onBatch?: () => void;
}

type Watch = (isHeard: () => void, signal: AbortSignal) => Promise<void>;

const defaultInit: WatchesInit = { againMs: 1_000 };

/**
 * Follows what any tracker changes in the store. An entry that can't be read, since a newer tracker wrote it
 * for instance, is passed over; a watch that fails is begun anew, and as long as it is not there it is
 * known that this tracker is blind.
 */
export class Watches implements AsyncDisposable {
  readonly #components: WatchesComponents;
  readonly #init: WatchesInit;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #blind = new Set<string>();

  constructor(components: WatchesComponents, init: Partial<WatchesInit> = {}) {
    this.#components = components;
    this.#init = { ...defaultInit, ...init };
  }

  /** The prefixes whose changes are not heard now. */
  get blind(): readonly string[] {
    return [...this.#blind];
  }

  /** @throws StoreError STORE_FAILED while this tracker is blind */
  check(): void {
    if (this.#blind.size > 0) throw blindness(this.blind);
  }

  /**
   * Follows what is below a prefix until this is disposed of.
   * @returns when all that there is now was told
   * @throws what the first watch failed with, before it told anything: then nothing is followed
   */
  async follow(prefix: string, following: Following): Promise<void> {
    const { store } = this.#components;
    await this.keep(prefix, async (isHeard, signal) => {
      for await (const batch of store.watch(prefix, { signal })) {
        this.#take(batch, following);
        isHeard();
      }
    });
  }

  /**
   * The same, by a watch of one's own.
   * @param watch begun anew when it has failed; it calls `isHeard` when it has told something
   */
  async keep(prefix: string, watch: Watch): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#running.push(this.#run(prefix, watch, { resolve, reject }));
    await promise;
  }

  async #run(
    prefix: string,
    watch: Watch,
    first: { readonly resolve: (value: undefined) => void; readonly reject: (e: unknown) => void },
  ): Promise<void> {
    const { signal } = this.#closing;
    let isFirst = true;
    const isHeard = () => {
      this.#blind.delete(prefix);
      isFirst = false;
      first.resolve(undefined);
    };
    while (!signal.aborted) {
      try {
        await watch(isHeard, signal);
        // So it ends when the store is disposed of.
        first.resolve(undefined);
        return;
      } catch (error) {
        if (isFirst || signal.aborted) {
          first.reject(error);
          return;
        }
        this.#blind.add(prefix);
        const told = { err: error, prefix };
        this.#components.log.error(told, 'changes are not heard: the watch is begun anew');
        this.#init.onBlind?.();
      }
      await pause(this.#init.againMs, signal);
    }
  }

  #take(batch: ChangeBatch, { onWhole, onChange, onBatch }: Following): void {
    if (batch.isWhole) onWhole?.();
    for (const change of batch) {
      try {
        onChange(change);
      } catch (error) {
        const { key, revision } = change;
        this.#components.log.error({ err: error, key, revision }, 'an entry is passed over');
      }
    }
    onBatch?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }
}

/** The error of what would be decided by changes that are not heard. */
export const blindness = (prefixes: readonly string[]): StoreError =>
  new StoreError(
    'STORE_FAILED',
    `changes of ${prefixes.join(', ')} in the store are not heard now; the tracker's log says why. Ask another tracker, or try again`,
    { evidence: { prefixes } },
  );

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = () => resolve(undefined);
  const timer = setTimeout(end, ms).unref();
  signal.addEventListener('abort', end, { once: true });
  await promise;
  signal.removeEventListener('abort', end);
  clearTimeout(timer);
}
