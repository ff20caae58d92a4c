import type { Peer } from './peer.ts';

/** So much time is between two times that news are told; what comes in between is told together. */
const gatherMs = 5;

/**
 * Tells peers of new pieces, several at a time, and nobody of what he has himself: but who hands out
 * pieces hears what became of them.
 */
export class HaveNews implements Disposable {
  readonly #peers: () => Iterable<Peer>;
  #untold: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isSoon = false;
  #closed = false;

  constructor(components: { peers: () => Iterable<Peer> }) {
    this.#peers = components.peers;
  }

  add(piece: number): void {
    if (this.#closed) return;
    this.#untold.push(piece);
    if (this.#timer !== undefined || this.#isSoon) return;
    // After a silence news are told at once: for who waits for a piece each moment counts.
    this.#isSoon = true;
    queueMicrotask(() => {
      this.#isSoon = false;
      this.#tell();
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        if (this.#untold.length > 0) this.#tell();
      }, gatherMs);
    });
  }

  #tell(): void {
    if (this.#closed) return;
    for (const peer of this.#peers()) {
      // It knows other pieces.
      if (peer.isV1Only) continue;
      for (const piece of this.#untold) {
        if (peer.pieces?.has(piece) === true && peer.handed === undefined) continue;
        peer.send({ type: 'have', piece });
      }
    }
    this.#untold = [];
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
