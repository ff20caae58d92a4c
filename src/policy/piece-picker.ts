import { Bitfield } from './bitfield.ts';

/** Some pieces. A bitfield is looked through fastest; a set is meant to hold few. */
export type PieceSet = Pick<Bitfield, 'has'>;

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
  readonly #availability: Uint16Array;
  readonly #wanted: Bitfield;
  /** How many wanted pieces have this availability: tells when no rarer one can be found. */
  readonly #levels: number[] = [];

  /** @param random a number from 0 to below 1 */
  constructor(pieceCount: number, random: () => number) {
    this.#random = random;
    this.#availability = new Uint16Array(pieceCount);
    this.#wanted = Bitfield.full(pieceCount);
    this.#levels[0] = pieceCount;
  }

  /** How many pieces nobody has begun. */
  get wantedCount(): number {
    return this.#wanted.count;
  }

  /** How many of them no connected peer has. */
  get missingCount(): number {
    return this.#levels[0] ?? 0;
  }

  isWanted(piece: number): boolean {
    return this.#wanted.has(piece);
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

  /** Begins the rarest wanted piece among these. Undefined when there is none. */
  pick(pieces: PieceSet): number | undefined {
    const few: ReadonlySet<number> | undefined = pieces instanceof Set ? pieces : undefined;
    const best = few === undefined ? this.#rarestOf(pieces) : this.#rarestOfFew(few);
    if (best !== undefined) this.take(best);
    return best;
  }

  /** Eight pieces at a time, from a random place on. */
  #rarestOf(pieces: PieceSet): number | undefined {
    const wanted = this.#wanted.bytes;
    const whole = pieces instanceof Bitfield;
    const theirs = whole ? pieces.bytes : wanted;
    const { length } = wanted;
    const rarest = this.#rarestLevel();
    const start = Math.floor(this.#random() * this.#wanted.length);
    // The first byte is read twice: from the place on at first, up to it at last.
    const mask = 0xff >> (start & 7);
    let best: number | undefined;
    let bestLevel = Infinity;
    for (let step = 0, at = start >> 3; step <= length; step++, at++) {
      if (at === length) at = 0;
      let bits = (wanted[at] ?? 0) & (theirs[at] ?? 0);
      if (step === 0) bits &= mask;
      else if (step === length) bits &= ~mask;
      while (bits !== 0) {
        // The highest bit is the first piece (BEP 3).
        const highest = Math.clz32(bits) - 24;
        bits &= ~(0x80 >> highest);
        const piece = 8 * at + highest;
        const level = this.availability(piece);
        // A condition is told of all: some wait for how long they were asked for.
        if (!(whole || pieces.has(piece)) || level >= bestLevel) continue;
        if (level <= rarest) return piece;
        best = piece;
        bestLevel = level;
      }
    }
    return best;
  }

  #rarestOfFew(pieces: ReadonlySet<number>): number | undefined {
    let best: number | undefined;
    let bestLevel = Infinity;
    for (const piece of pieces) {
      if (!this.isWanted(piece) || this.availability(piece) >= bestLevel) continue;
      best = piece;
      bestLevel = this.availability(piece);
    }
    return best;
  }

  /** The least availability of a wanted piece that anybody has. */
  #rarestLevel(): number {
    const levels = this.#levels;
    for (let level = 1; level < levels.length; level++) if ((levels[level] ?? 0) > 0) return level;
    return 0;
  }

  /** Takes a piece out of the wanted ones: it is begun, or here already. */
  take(piece: number): void {
    if (this.#wanted.remove(piece)) this.#changeLevel(this.availability(piece), -1);
  }

  /** Makes a piece wanted (again). */
  restore(piece: number): void {
    if (this.#wanted.add(piece)) this.#changeLevel(this.availability(piece), 1);
  }

  #changeLevel(level: number, change: 1 | -1): void {
    this.#levels[level] = (this.#levels[level] ?? 0) + change;
  }
}
