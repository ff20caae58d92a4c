import type { BlockRange } from '../message.ts';
import { ImageLayout, type ImageLayoutData } from './image-layout.ts';

/**
 * The bytes of an image as a v1-only torrent numbers them: files one behind the other, without
 * padding, in pieces of its own (BEP 3). So one of our pieces, which lies in one file, is a range of
 * that row, which may run over the border of v1 pieces. Pure arithmetic.
 */
export class V1Row {
  readonly pieceSizeBytes: number;
  readonly sizeBytes: number;
  readonly #layout: ImageLayout;
  /** Where each file starts in the row. */
  readonly #starts: Float64Array;

  constructor(layout: ImageLayoutData, pieceSizeBytes: number) {
    this.pieceSizeBytes = pieceSizeBytes;
    this.#layout = new ImageLayout(layout);
    this.#starts = new Float64Array(layout.sizeBytes.length);
    let end = 0;
    layout.sizeBytes.forEach((sizeBytes, file) => {
      this.#starts[file] = end;
      end += sizeBytes;
    });
    this.sizeBytes = end;
  }

  /** How many pieces the v1-only torrent has. */
  get pieceCount(): number {
    return Math.ceil(this.sizeBytes / this.pieceSizeBytes);
  }

  /** Where one of our pieces lies in the row. */
  rangeOf(piece: number): { startBytes: number; lengthBytes: number } {
    const { file, offsetBytes, lengthBytes } = this.#layout.placeOf(piece);
    return { startBytes: (this.#starts[file] ?? 0) + offsetBytes, lengthBytes };
  }

  /** What a v1 peer is asked for to get a range of ours: several ranges where it runs over borders. */
  toWire({ piece, beginBytes, lengthBytes }: BlockRange): BlockRange[] {
    const ranges: BlockRange[] = [];
    let at = this.rangeOf(piece).startBytes + beginBytes;
    for (const end = at + lengthBytes; at < end;) {
      const v1Piece = Math.floor(at / this.pieceSizeBytes);
      const begin = at - v1Piece * this.pieceSizeBytes;
      const length = Math.min(end - at, this.pieceSizeBytes - begin);
      ranges.push({ piece: v1Piece, beginBytes: begin, lengthBytes: length });
      at += length;
    }
    return ranges;
  }

  /** Our range in which a v1 range begins, of the same length; undefined where the row has ended. */
  toOurs({ piece, beginBytes, lengthBytes }: BlockRange): BlockRange | undefined {
    const at = piece * this.pieceSizeBytes + beginBytes;
    if (at >= this.sizeBytes) return undefined;
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? Infinity) <= at) low = middle;
      else high = middle - 1;
    }
    const { startBytes, pieceSizeBytes } = this.#layout.data;
    const place = (startBytes[low] ?? 0) + at - (this.#starts[low] ?? 0);
    const ours = Math.floor(place / pieceSizeBytes);
    return { piece: ours, beginBytes: place - ours * pieceSizeBytes, lengthBytes };
  }
}
