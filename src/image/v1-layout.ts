/** A file of a v1 torrent: `sizeBytes` bytes from `startBytes` on, in the bytes of all files. */
export interface V1File {
  readonly path: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/**
 * What serving a v1 swarm needs to know (BEP 3, 'info dictionary'): the files lie one behind the
 * other in one space of bytes that is cut into pieces. Where no file lies, bytes are zero: these are
 * the padding files of a hybrid (BEP 47).
 */
export interface V1Layout {
  readonly name: string;
  readonly pieceSizeBytes: number;
  /** All of the space, with padding. */
  readonly sizeBytes: number;
  /** In the order of the space; empty files too. */
  readonly files: readonly V1File[];
  /** SHA-1 of the bencoded info dictionary, 20 bytes. */
  readonly infoHash: Buffer;
}

/** A part of the space that lies in one file, or, without a path, is zeros. */
export interface V1Segment {
  readonly path: string | undefined;
  /** Where in the file it starts. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export const v1PieceCount = (layout: Pick<V1Layout, 'sizeBytes' | 'pieceSizeBytes'>): number =>
  Math.ceil(layout.sizeBytes / layout.pieceSizeBytes);

/** How long a piece is: all but the last are of the same size. */
export const v1PieceBytes = (
  layout: Pick<V1Layout, 'sizeBytes' | 'pieceSizeBytes'>,
  piece: number,
): number => Math.min(layout.pieceSizeBytes, layout.sizeBytes - piece * layout.pieceSizeBytes);

/**
 * Which parts of which files make up a range of the space, in order.
 * @throws RangeError for a range beyond the space: a programmer's error
 */
export function v1Segments(
  layout: Pick<V1Layout, 'sizeBytes' | 'files'>,
  startBytes: number,
  lengthBytes: number,
): V1Segment[] {
  const end = startBytes + lengthBytes;
  if (startBytes < 0 || lengthBytes < 0 || end > layout.sizeBytes) {
    throw new RangeError(`${startBytes}+${lengthBytes} is beyond ${layout.sizeBytes} bytes`);
  }
  const segments: V1Segment[] = [];
  let at = startBytes;
  for (let index = firstReaching(layout.files, startBytes); at < end; index++) {
    const file = layout.files[index];
    const gapEnd = Math.min(end, file?.startBytes ?? end);
    if (gapEnd > at) {
      segments.push({ path: undefined, offsetBytes: 0, lengthBytes: gapEnd - at });
      at = gapEnd;
    }
    if (file === undefined || file.sizeBytes === 0 || at >= end) continue;
    const length = Math.min(end, file.startBytes + file.sizeBytes) - at;
    segments.push({ path: file.path, offsetBytes: at - file.startBytes, lengthBytes: length });
    at += length;
  }
  return segments;
}

/** The index of the first file that ends behind a place of the space. */
function firstReaching(files: readonly V1File[], place: number): number {
  let low = 0;
  let high = files.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const file = files[middle];
    if (file !== undefined && file.startBytes + file.sizeBytes <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}
