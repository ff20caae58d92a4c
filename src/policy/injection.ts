import type { Bitfield } from './bitfield.ts';

interface Handed<Peer> {
  readonly peer: Peer;
  readonly atMs: number;
}

/** A piece that nobody was seen to have after so long is handed to another. */
const patienceMs = 10_000;

/**
 * Which piece a seed hands to whom. A seed's link is the one way by which an image comes into a
 * swarm: what it sends twice before it has sent all once, all others wait for. So each piece is
 * handed to one peer, until all are out; after that everybody may ask for anything. (Super-seeding,
 * BEP 16, said openly: peers know what the seed has, and are told what to ask for.)
 */
export class Injection<Peer> {
  readonly #seen: Uint8Array;
  /** Pieces that nobody was seen to have, and that were handed to nobody; the last is next. */
  readonly #fresh: number[];
  readonly #handed = new Map<number, Handed<Peer>>();
  readonly #owing = new Map<Peer, number>();

  constructor(
    components: { readonly random: () => number },
    { pieceCount }: { readonly pieceCount: number },
  ) {
    this.#seen = new Uint8Array(pieceCount);
    this.#fresh = shuffled(pieceCount, components.random);
  }

  /** Every piece is out. What is lost after that is asked for like any other. */
  get isDone(): boolean {
    return this.#fresh.length === 0 && this.#handed.size === 0;
  }

  addPeer(peer: Peer, pieces: Bitfield | undefined): void {
    this.#owing.set(peer, 0);
    for (const piece of pieces ?? []) this.onHave(piece);
  }

  /** What it was handed and was not seen to have is handed to others. */
  removePeer(peer: Peer): void {
    if (!this.#owing.delete(peer)) return;
    for (const [piece, handed] of this.#handed) if (handed.peer === peer) this.#takeBack(piece);
  }

  /** Somebody has this piece: it is out. */
  onHave(piece: number): void {
    this.#seen[piece] = 1;
    const handed = this.#handed.get(piece);
    if (handed === undefined) return;
    this.#handed.delete(piece);
    this.#owing.set(handed.peer, (this.#owing.get(handed.peer) ?? 1) - 1);
  }

  /**
   * Pieces that this peer should ask for now.
   * @param most how many it may have been handed and not have, at a time
   */
  hand(peer: Peer, most: number, nowMs: number): number[] {
    const pieces: number[] = [];
    let owing = this.#owing.get(peer);
    if (owing === undefined) return pieces;
    for (; owing < most; owing += 1) {
      const piece = this.#nextFresh();
      if (piece === undefined) break;
      this.#handed.set(piece, { peer, atMs: nowMs });
      pieces.push(piece);
    }
    this.#owing.set(peer, owing);
    return pieces;
  }

  #nextFresh(): number | undefined {
    for (;;) {
      const piece = this.#fresh.pop();
      if (piece === undefined || this.#seen[piece] === 0) return piece;
    }
  }

  /** Takes back what nobody was seen to have for too long: who was handed it may be slow, or ill. */
  expire(nowMs: number): void {
    for (const [piece, { atMs }] of this.#handed) {
      // They were handed out in this order.
      if (nowMs - atMs < patienceMs) return;
      this.#takeBack(piece);
    }
  }

  #takeBack(piece: number): void {
    const handed = this.#handed.get(piece);
    this.#handed.delete(piece);
    if (handed === undefined) return;
    this.#fresh.push(piece);
    const owing = this.#owing.get(handed.peer);
    if (owing !== undefined) this.#owing.set(handed.peer, owing - 1);
  }
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other] ?? 0, order[last] ?? 0];
  }
  return order;
}
