import { Bitfield } from '../policy/index.ts';
import type { V1Row } from './data/v1-row.ts';

/** Which of our pieces a peer has in full, by what it says of the pieces of a v1-only torrent. */
export class V1Pieces {
  readonly row: V1Row;
  readonly v1Count: number;
  /** The first and the last v1 piece of each of ours; neither ever falls. */
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;

  constructor(row: V1Row, pieceCount: number) {
    this.row = row;
    this.v1Count = row.pieceCount;
    this.#first = new Uint32Array(pieceCount);
    this.#last = new Uint32Array(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) {
      const { startBytes, lengthBytes } = row.rangeOf(piece);
      this.#first[piece] = Math.floor(startBytes / row.pieceSizeBytes);
      this.#last[piece] = Math.floor((startBytes + lengthBytes - 1) / row.pieceSizeBytes);
    }
  }

  /** Our pieces that lie in these v1 pieces. */
  coveredBy(theirs: Bitfield): Bitfield {
    const pieceCount = this.#first.length;
    if (theirs.isFull) return Bitfield.full(pieceCount);
    const ours = new Bitfield(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) {
      if (this.#isCovered(piece, theirs)) ours.add(piece);
    }
    return ours;
  }

  /** Those of our pieces that this v1 piece, which is among `theirs` by now, made whole. */
  completedBy(v1Piece: number, theirs: Bitfield): number[] {
    const completed: number[] = [];
    let piece = this.#firstReaching(v1Piece);
    for (; (this.#first[piece] ?? Infinity) <= v1Piece; piece++) {
      if (this.#isCovered(piece, theirs)) completed.push(piece);
    }
    return completed;
  }

  #isCovered(piece: number, theirs: Bitfield): boolean {
    const last = this.#last[piece] ?? 0;
    for (let v1Piece = this.#first[piece] ?? 0; v1Piece <= last; v1Piece++) {
      if (!theirs.has(v1Piece)) return false;
    }
    return true;
  }

  /** The lowest of our pieces that ends in this v1 piece, or behind it. */
  #firstReaching(v1Piece: number): number {
    let low = 0;
    let high = this.#last.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#last[middle] ?? Infinity) < v1Piece) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
