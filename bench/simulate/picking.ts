import { PiecePicker } from '../../src/policy/index.ts';
import { PieceSets } from './piece-sets.ts';
import type { Random } from './random.ts';

/** Which piece a host begins next; one for all hosts. The methods are those of `PiecePicker`. */
export interface Picking {
  wantedCount(host: number): number;
  isWanted(host: number, piece: number): boolean;
  changeAvailability(host: number, piece: number, change: 1 | -1): void;
  /** Begins the rarest wanted piece that is in a row of the sets. -1: there is none. */
  pick(host: number, sets: PieceSets, row: number): number;
  take(host: number, piece: number): void;
  restore(host: number, piece: number): void;
}

export interface PickingInit {
  readonly hosts: number;
  readonly pieces: number;
}

/** By `PiecePicker` of src/policy itself, one a host. */
export class PolicyPicking implements Picking {
  readonly #pickers: readonly PiecePicker[];

  constructor({ random }: { readonly random: Random }, { hosts, pieces }: PickingInit) {
    const number = () => random.number();
    this.#pickers = Array.from({ length: hosts }, () => new PiecePicker(pieces, number));
  }

  wantedCount(host: number): number {
    return this.#pickers[host]!.wantedCount;
  }

  isWanted(host: number, piece: number): boolean {
    return this.#pickers[host]!.isWanted(piece);
  }

  changeAvailability(host: number, piece: number, change: 1 | -1): void {
    this.#pickers[host]!.changeAvailability(piece, change);
  }

  pick(host: number, sets: PieceSets, row: number): number {
    return this.#pickers[host]!.pick({ has: (piece) => sets.has(row, piece) }) ?? -1;
  }

  take(host: number, piece: number): void {
    this.#pickers[host]!.take(piece);
  }

  restore(host: number, piece: number): void {
    this.#pickers[host]!.restore(piece);
  }
}

/**
 * The same decision by words of bits, for 10,000 hosts: the rarest piece that is wanted and that the
 * peer has, ties broken at random. It differs from `PiecePicker` in how it draws among ties, and it
 * always looks at all.
 */
export class BitPicking implements Picking {
  readonly #random: Random;
  readonly #pieces: number;
  readonly #wanted: PieceSets;
  readonly #wantedCounts: Int32Array;
  readonly #availability: Uint16Array;

  constructor({ random }: { readonly random: Random }, { hosts, pieces }: PickingInit) {
    this.#random = random;
    this.#pieces = pieces;
    this.#wanted = new PieceSets(hosts, pieces);
    for (let host = 0; host < hosts; host++) this.#wanted.fill(host);
    this.#wantedCounts = new Int32Array(hosts).fill(pieces);
    this.#availability = new Uint16Array(hosts * pieces);
  }

  wantedCount(host: number): number {
    return this.#wantedCounts[host]!;
  }

  isWanted(host: number, piece: number): boolean {
    return this.#wanted.has(host, piece);
  }

  changeAvailability(host: number, piece: number, change: 1 | -1): void {
    this.#availability[host * this.#pieces + piece]! += change;
  }

  pick(host: number, sets: PieceSets, row: number): number {
    if (this.#wantedCounts[host] === 0) return -1;
    const { words, wordsPerRow } = this.#wanted;
    const theirs = sets.words;
    const ownAt = host * wordsPerRow;
    const theirsAt = row * wordsPerRow;
    const levelsAt = host * this.#pieces;
    let draw = this.#random.bits() | 1;
    let best = -1;
    let bestLevel = 65_536;
    let ties = 0;
    for (let word = 0; word < wordsPerRow; word++) {
      let bits = words[ownAt + word]! & theirs[theirsAt + word]!;
      while (bits !== 0) {
        const piece = (word << 5) + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        const level = this.#availability[levelsAt + piece]!;
        if (level > bestLevel) continue;
        ties = level < bestLevel ? 1 : ties + 1;
        bestLevel = level;
        draw = (Math.imul(draw, 1_664_525) + 1_013_904_223) | 0;
        if (ties === 1 || (draw >>> 16) * ties < 65_536) best = piece;
      }
    }
    if (best >= 0) this.take(host, best);
    return best;
  }

  take(host: number, piece: number): void {
    if (!this.#wanted.has(host, piece)) return;
    this.#wanted.remove(host, piece);
    this.#wantedCounts[host]! -= 1;
  }

  restore(host: number, piece: number): void {
    if (this.#wanted.has(host, piece)) return;
    this.#wanted.add(host, piece);
    this.#wantedCounts[host]! += 1;
  }
}
