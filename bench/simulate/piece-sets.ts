/** A set of pieces a row, as bits in words of 32: what `Bitfield` is for one host, for very many. */
export class PieceSets {
  readonly wordsPerRow: number;
  readonly words: Int32Array;
  readonly #pieces: number;

  constructor(rows: number, pieces: number) {
    this.#pieces = pieces;
    this.wordsPerRow = Math.ceil(pieces / 32);
    this.words = new Int32Array(rows * this.wordsPerRow);
  }

  has(row: number, piece: number): boolean {
    return (this.words[row * this.wordsPerRow + (piece >> 5)]! & (1 << (piece & 31))) !== 0;
  }

  add(row: number, piece: number): void {
    this.words[row * this.wordsPerRow + (piece >> 5)]! |= 1 << (piece & 31);
  }

  remove(row: number, piece: number): void {
    this.words[row * this.wordsPerRow + (piece >> 5)]! &= ~(1 << (piece & 31));
  }

  fill(row: number): void {
    for (let piece = 0; piece < this.#pieces; piece++) this.add(row, piece);
  }
}
