import type { Level } from './peer-graph.ts';
import { rendezvousRank } from './rendezvous.ts';

/** Who stands for a group (a rack, or a zone) and so asks others for pieces that it has not. */
export interface Gateways {
  /** Our own slot; undefined: we do not stand for it. */
  readonly slot: number | undefined;
  /** The slots of those who do and are connected. */
  readonly others: readonly number[];
}

export interface FarRequest {
  readonly piece: number;
  /** How far the peer is that could be asked. */
  readonly level: Exclude<Level, 0>;
  readonly gateways: Gateways;
  readonly nowMs: number;
  /** In what time a piece comes from so far, about. */
  readonly pieceMs: number;
}

/** One who is next in the order waits until the one before could have fetched the piece twice. */
const patience = { times: 6, leastMs: 200, mostMs: 5_000 };

/**
 * Whether a piece is asked of a peer outside the own rack (or zone), so that each comes in about
 * once. A piece that somebody nearer has is never asked of one who is farther. Of what nobody nearer
 * has, each gateway asks for its share: the one that is first in the order of this piece at once, the
 * next when the piece was to be had for a while and has not come, and in the end anybody. So a gateway
 * that dies or is cut off delays its share, and stops nothing.
 */
export class FarRequests {
  /** How many peers have a piece, at level 0 and at level 1. */
  readonly #counts: readonly [Uint16Array, Uint16Array];
  /** Since when a piece could be asked of somebody far; 0: it could not, yet. */
  readonly #sinceMs: Float64Array;

  constructor({ pieceCount }: { readonly pieceCount: number }) {
    this.#counts = [new Uint16Array(pieceCount), new Uint16Array(pieceCount)];
    this.#sinceMs = new Float64Array(pieceCount);
  }

  /** One more peer of this level has a piece, or (-1) one fewer. */
  change(level: Level, piece: number, change: 1 | -1): void {
    const counts = level === 2 ? undefined : this.#counts[level];
    if (counts !== undefined) counts[piece] = (counts[piece] ?? 0) + change;
  }

  /** Whether nobody nearer than this level has a piece. */
  #isFarOnly(piece: number, level: Level): boolean {
    const [near, zone] = this.#counts;
    return (near[piece] ?? 0) === 0 && (level === 1 || (zone[piece] ?? 0) === 0);
  }

  mayAsk({ piece, level, gateways, nowMs, pieceMs }: FarRequest): boolean {
    if (!this.#isFarOnly(piece, level)) return false;
    const { slot, others } = gateways;
    const rank = slot === undefined ? others.length + 1 : rendezvousRank(piece, slot, others);
    if (rank === 0) return true;
    const sinceMs = this.#sinceMs[piece] ?? 0;
    if (sinceMs === 0) {
      this.#sinceMs[piece] = nowMs;
      return false;
    }
    const { times, leastMs, mostMs } = patience;
    const waitMs = rank * Math.min(mostMs, Math.max(leastMs, times * pieceMs));
    return nowMs - sinceMs >= waitMs;
  }
}
