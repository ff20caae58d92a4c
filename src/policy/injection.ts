import type { Bitfield } from './bitfield.ts';

interface Handed<Peer> {
  readonly peer: Peer;
  readonly atMs: number;
}

/**
 * A piece that nobody was seen to have after some times as long as they take is handed to another;
 * before any was seen, after the longest time.
 */
const patience = { times: 5, leastMs: 1_000, mostMs: 10_000 };
/** How much the last piece weighs in the time that they take. */
const newWeight = 1 / 8;

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
  /** Who did not have a piece in time is handed none until it is seen to have one. */
  readonly #stalled = new Set<Peer>();
  /** How long it takes until a piece is seen. */
  #takenMs: number | undefined;

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
    for (const piece of pieces ?? []) this.#see(piece);
  }

  /** What it was handed and was not seen to have is handed to others. */
  removePeer(peer: Peer): void {
    if (!this.#owing.delete(peer)) return;
    this.#stalled.delete(peer);
    for (const [piece, handed] of this.#handed) if (handed.peer === peer) this.#takeBack(piece);
  }

  /** A peer has this piece: it is out. */
  onHave(peer: Peer, piece: number, nowMs: number): void {
    this.#stalled.delete(peer);
    const atMs = this.#see(piece);
    if (atMs === undefined) return;
    const tookMs = nowMs - atMs;
    this.#takenMs ??= tookMs;
    this.#takenMs += (tookMs - this.#takenMs) * newWeight;
  }

  /** @returns when it was handed to somebody, if it was and nobody had it until now */
  #see(piece: number): number | undefined {
    this.#seen[piece] = 1;
    const handed = this.#handed.get(piece);
    if (handed === undefined) return undefined;
    this.#handed.delete(piece);
    this.#owing.set(handed.peer, (this.#owing.get(handed.peer) ?? 1) - 1);
    return handed.atMs;
  }

  /**
   * Pieces that this peer should ask for now.
   * @param most how many it may have been handed and not have, at a time
   */
  hand(peer: Peer, most: number, nowMs: number): number[] {
    const pieces: number[] = [];
    let owing = this.#owing.get(peer);
    if (owing === undefined || this.#stalled.has(peer)) return pieces;
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

  /** Takes back what nobody was seen to have for too long: who was handed it may be slow, or dead. */
  expire(nowMs: number): void {
    const { times, leastMs, mostMs } = patience;
    const dueMs = Math.max(leastMs, Math.min(mostMs, times * (this.#takenMs ?? mostMs)));
    for (const [piece, { peer, atMs }] of this.#handed) {
      // They were handed out in this order.
      if (nowMs - atMs < dueMs) return;
      this.#stalled.add(peer);
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
