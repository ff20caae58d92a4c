import type { ImageFile } from './image-info.ts';
import { rangeLength } from './range-hashes.ts';
import type { Metainfo } from './torrent-file.ts';

/** A file to copy from. */
export type ReuseSource =
  /** A file of a stored image, by its absolute path. */
  | { readonly kind: 'stored'; readonly path: string }
  /** A file of the wanted image itself, by its path in the tree: it has pieces already. */
  | { readonly kind: 'own'; readonly path: string };

/** Neighbouring pieces of one wanted file that lie side by side in one file of this host. */
export interface ReuseRange {
  readonly source: ReuseSource;
  readonly sourceStartBytes: number;
  /** In the piece space of the wanted image. */
  readonly firstPiece: number;
  readonly pieceCount: number;
  readonly lengthBytes: number;
}

/** What can be had for one wanted file. */
export interface FileReuse {
  readonly file: ImageFile;
  /** No piece of it is here yet: what lies in its place is of no value. */
  readonly isNew: boolean;
  /** A stored file with the same content and the same executable bit: this file can be a link. */
  readonly link: string | undefined;
  /** A stored file with most of the pieces in the same places: a clone of it is a good start. */
  readonly clone: string | undefined;
  /** Only pieces that are missing. */
  readonly ranges: readonly ReuseRange[];
}

export interface ReusePlan {
  readonly wanted: Metainfo;
  readonly files: readonly FileReuse[];
  /** How many pieces, and bytes, are to be had when all goes well. */
  readonly pieceCount: number;
  readonly sizeBytes: number;
}

/** Where a wanted piece is to be had: at so many piece sizes from the start of the source. */
export interface PiecePlace {
  readonly source: ReuseSource;
  readonly index: number;
}

/** The pieces of a file that have a place; those that lie side by side there as well, together. */
export function rangesFrom(
  file: ImageFile,
  pieceSizeBytes: number,
  placeOf: (piece: number, index: number) => PiecePlace | undefined,
): ReuseRange[] {
  const ranges: ReuseRange[] = [];
  for (let index = 0; index < file.pieceCount; index++) {
    const firstPiece = file.firstPiece + index;
    const place = placeOf(firstPiece, index);
    if (place === undefined) continue;
    const range: ReuseRange = {
      source: place.source,
      sourceStartBytes: place.index * pieceSizeBytes,
      firstPiece,
      pieceCount: 1,
      lengthBytes: rangeLength(file.sizeBytes, index, pieceSizeBytes),
    };
    const last = ranges.at(-1);
    if (last !== undefined && follows(last, range)) ranges.splice(-1, 1, joined(last, range));
    else ranges.push(range);
  }
  return ranges;
}

const follows = (a: ReuseRange, b: ReuseRange): boolean =>
  a.source.kind === b.source.kind &&
  a.source.path === b.source.path &&
  a.firstPiece + a.pieceCount === b.firstPiece &&
  a.sourceStartBytes + a.lengthBytes === b.sourceStartBytes;

const joined = (a: ReuseRange, b: ReuseRange): ReuseRange => ({
  ...a,
  pieceCount: a.pieceCount + b.pieceCount,
  lengthBytes: a.lengthBytes + b.lengthBytes,
});
