import type { ServerResponse } from 'node:http';
import { EventStream } from '../src/api/index.ts';
import { SwarmWatch, type SwarmWatchComponents, type SwarmWatchInit } from './swarm-watch.ts';

export interface SwarmWatchesInit extends SwarmWatchInit {
  /** What may wait for a reader that does not read; one that lets more wait is dropped. */
  readonly watchBufferBytes: number;
}

const retryMs = 3_000;

/** The swarms that somebody watches; for others there is nothing, not even a timer. */
export class SwarmWatches {
  readonly #components: SwarmWatchComponents;
  readonly #init: SwarmWatchesInit;
  readonly #watches = new Map<string, SwarmWatch>();

  constructor(components: SwarmWatchComponents, init: SwarmWatchesInit) {
    this.#components = components;
    this.#init = init;
  }

  /** How many swarms are watched. */
  get size(): number {
    return this.#watches.size;
  }

  /** Answers with a stream of events that ends with its reader, the swarm, or the tracker. */
  open(infoHash: string, response: ServerResponse): void {
    const watch = this.#watches.get(infoHash) ?? this.#watch(infoHash);
    const reader = new EventStream(response, {
      maxBufferedBytes: this.#init.watchBufferBytes,
      retryMs,
      onClose: () => {
        watch.remove(reader);
        if (watch.isIdle) this.#end(infoHash, watch);
      },
    });
    watch.add(reader);
  }

  /** Ends all streams. */
  close(): void {
    for (const [infoHash, watch] of this.#watches) this.#end(infoHash, watch);
  }

  #watch(infoHash: string): SwarmWatch {
    const watch = new SwarmWatch(this.#components, this.#init, infoHash);
    this.#watches.set(infoHash, watch);
    return watch;
  }

  #end(infoHash: string, watch: SwarmWatch): void {
    if (this.#watches.get(infoHash) !== watch) return;
    this.#watches.delete(infoHash);
    watch.close();
  }
}
