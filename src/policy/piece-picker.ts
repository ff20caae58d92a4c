import type { Bitfield } from './bitfield.ts';

/**
 * Which piece to begin next: the rarest that the peer has, ties broken at random. Rarity is the
 * number of connected peers that have a piece. Randomness is passed in, so that a run can be
 * repeated.
 *
 * A piece is *wanted* until it is begun, then it is in the hands of the caller, who gives it back
 * (`restore`) or is done with it.
 */
export class PiecePicker {
  readonly #random: () => number;
  readonly #availability: Uint32Array;
  /** Wanted pieces in no order, and where each stands there (-1: not wanted). */
  readonly #wanted: number[] = [];
  readonly #position: Int32Array;
  /** How many wanted pieces have this availability: tells when no rarer one can be found. */
  readonly #levels: number[] = [];

  /** @param random a number from 0 to below 1 */
  constructor(pieceCount: number, random: () => number) {
    this.#random = random;
    this.#availability = new Uint32Array(pieceCount);
    this.#position = new Int32Array(pieceCount).fill(-1);
    for (let piece = 0; piece < pieceCount; piece++) this.restore(piece);
  }

  /** How many pieces nobody has begun. */
  get wantedCount(): number {
    return this.#wanted.length;
  }

  /** How many of them no connected peer has. */
  get missingCount(): number {
    return this.#levels[0] ?? 0;
  }

  isWanted(piece: number): boolean {
    return (this.#position[piece] ?? -1) >= 0;
  }

  availability(piece: number): number {
    return this.#availability[piece] ?? 0;
  }

  /** One more connected peer has this piece, or (`change` -1) one fewer. */
  changeAvailability(piece: number, change: 1 | -1): void {
    const before = this.availability(piece);
    this.#availability[piece] = before + change;
    if (!this.isWanted(piece)) return;
    this.#changeLevel(before, -1);
    this.#changeLevel(before + change, 1);
  }

  /** The same for all pieces of a peer that comes or goes. */
  changeAvailabilityOfAll(pieces: Bitfield, change: 1 | -1): void {
    for (const piece of pieces) this.changeAvailability(piece, change);
  }

  /** Begins the rarest wanted piece that the peer has. Undefined when it has none. */
  pick(peerPieces: Pick<Bitfield, 'has'>): number | undefined {
    const count = this.#wanted.length;
    if (count === 0) return undefined;
    const rarest = this.#levels.findIndex((pieces, level) => level > 0 && pieces > 0);
    const start = Math.floor(this.#random() * count);
    let best: number | undefined;
    let bestLevel = Infinity;
    for (let step = 0; step < count; step++) {
      const piece = this.#wanted[(start + step) % count];
      if (piece === undefined || !peerPieces.has(piece)) continue;
      const level = this.availability(piece);
      if (level >= bestLevel) continue;
      best = piece;
      bestLevel = level;
      if (level <= rarest) break;
    }
    if (best !== undefined) this.take(best);
    return best;
  }

  /** Takes a piece out of the wanted ones: it is begun, or here already. */
  take(piece: number): void {
    const at = this.#position[piece] ?? -1;
    if (at < 0) return;
    const last = this.#wanted.pop();
    if (last !== undefined && last !== piece) {
      this.#wanted[at] = last;
      this.#position[last] = at;
    }
    this.#position[piece] = -1;
    this.#changeLevel(this.availability(piece), -1);
  }

  /** Makes a piece wanted (again). */
  restore(piece: number): void {
    if (this.isWanted(piece)) return;
    // A random place keeps ties random also where the search starts at the same place twice.
    const at = Math.floor(this.#random() * (this.#wanted.length + 1));
    const moved = this.#wanted[at];
    if (moved !== undefined) {
      this.#position[moved] = this.#wanted.length;
      this.#wanted.push(moved);
    }
    this.#wanted[at] = piece;
    this.#position[piece] = at;
    this.#changeLevel(this.availability(piece), 1);
  }

  #changeLevel(level: number, change: 1 | -1): void {
    this.#levels[level] = (this.#levels[level] ?? 0) + change;
  }
}
