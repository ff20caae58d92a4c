import type { Peer } from './peer.ts';

/** Pieces that are verified within this time are told together. */
const gatherMs = 10;

/**
 * Tells peers of new pieces, several at a time, and nobody of what he has himself: but who hands out
 * pieces hears what became of them.
 */
export class HaveNews implements Disposable {
  readonly #peers: () => Iterable<Peer>;
  #untold: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(components: { peers: () => Iterable<Peer> }) {
    this.#peers = components.peers;
  }

  add(piece: number): void {
    if (this.#closed) return;
    this.#untold.push(piece);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell();
    }, gatherMs);
  }

  #tell(): void {
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
