import type { FastifyBaseLogger } from 'fastify';
import type { Expectation, Store } from '../store/index.ts';
import { put } from './entries.ts';
import { hostKey, hostPrefix, type HostRecord } from './host-records.ts';

export interface HostWriterInit {
  readonly gatherMs: number;
  /** What to write of a host now; `revision`: only if it is still at that. Undefined: nothing. */
  readonly recordOf: (
    peerId: string,
  ) => { readonly record: HostRecord; readonly revision: number | undefined } | undefined;
}

const hostsPerCommit = 50;
const bytesPerCommit = 256 << 10;
/** A store that takes nothing now is tried again after this time. */
const againMs = 1_000;

/** Writes what has become known of hosts, gathered for a moment. It is soft: what is lost comes again. */
export class HostWriter implements AsyncDisposable {
  readonly #store: Store;
  readonly #log: FastifyBaseLogger;
  readonly #init: HostWriterInit;
  readonly #dirty = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    { store, log }: { readonly store: Store; readonly log: FastifyBaseLogger },
    init: HostWriterInit,
  ) {
    this.#store = store;
    this.#log = log;
    this.#init = init;
  }

  add(peerId: string): void {
    this.#dirty.add(peerId);
    this.#schedule(this.#init.gatherMs);
  }

  #schedule(ms: number): void {
    if (this.#isClosed || this.#running !== undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#start();
    }, ms).unref();
  }

  #start(): void {
    this.#running = this.#flush().finally(() => {
      this.#running = undefined;
      if (this.#dirty.size > 0) this.#schedule(againMs);
    });
  }

  async #flush(): Promise<void> {
    while (this.#dirty.size > 0) {
      const puts: ReturnType<typeof put>[] = [];
      const expect: Expectation[] = [];
      let bytes = 0;
      for (const peerId of this.#dirty) {
        if (puts.length === hostsPerCommit || bytes > bytesPerCommit) break;
        this.#dirty.delete(peerId);
        const next = this.#init.recordOf(peerId);
        if (next === undefined) continue;
        const written = put(hostKey(peerId), next.record);
        bytes += written.value.length;
        puts.push(written);
        if (next.revision !== undefined) {
          expect.push({ key: written.key, revision: next.revision });
        }
      }
      if (puts.length === 0) continue;
      try {
        await this.#store.commit({ put: puts, expect });
      } catch (error) {
        this.#takeBack(puts, error);
        return;
      }
    }
  }

  /** Whose host each of them is by then, the watch will have told. */
  #takeBack(puts: readonly { readonly key: string }[], error: unknown): void {
    for (const { key } of puts) this.#dirty.add(key.slice(hostPrefix.length));
    this.#log.debug({ err: error }, 'what hosts report can not be written now');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
    await this.#flush();
  }
}
