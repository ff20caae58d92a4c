import { blockBytes } from '../../image/merkle.ts';

/**
 * What the data threads know of an image, in shared memory: it is made once and posted to every
 * thread, and costs no thread a copy. An image is a row of bytes in which each file has a place;
 * what lies between files is zeros. So the pieces of BEP 52, which start at files, and those of
 * BitTorrent v1, which run over them, are both ranges of that row.
 */
export interface ImageLayoutData {
  readonly pieceSizeBytes: number;
  readonly pieceCount: number;
  /** Where each file starts in the row, ascending, and how long it is. Empty files are left out. */
  readonly startBytes: Float64Array;
  readonly sizeBytes: Float64Array;
  /** All paths behind each other in UTF-8, and where each ends. */
  readonly paths: Uint8Array;
  readonly pathEnds: Uint32Array;
  /** The hash of each piece (BEP 52), 32 bytes; of a layout that is only served there are none. */
  readonly hashes: Uint8Array;
  /** Which pieces are verified and written, one bit each. Only the main thread changes it. */
  readonly held: Uint8Array;
}

export interface LayoutFile {
  readonly path: string;
  readonly startBytes: number;
  readonly sizeBytes: number;
}

/** Makes the shared form. `files` in ascending order, none of them empty. */
export function makeImageLayout(init: {
  readonly pieceSizeBytes: number;
  readonly pieceCount: number;
  readonly files: readonly LayoutFile[];
  readonly hashOf?: ((piece: number) => Uint8Array) | undefined;
}): ImageLayoutData {
  const { files, pieceCount, pieceSizeBytes, hashOf } = init;
  const paths = files.map(({ path }) => Buffer.from(path, 'utf8'));
  const layout: ImageLayoutData = {
    pieceSizeBytes,
    pieceCount,
    startBytes: new Float64Array(new SharedArrayBuffer(files.length * 8)),
    sizeBytes: new Float64Array(new SharedArrayBuffer(files.length * 8)),
    paths: new Uint8Array(new SharedArrayBuffer(paths.reduce((sum, path) => sum + path.length, 0))),
    pathEnds: new Uint32Array(new SharedArrayBuffer(files.length * 4)),
    hashes: new Uint8Array(new SharedArrayBuffer(hashOf === undefined ? 0 : pieceCount * 32)),
    held: new Uint8Array(new SharedArrayBuffer(Math.ceil(pieceCount / 8))),
  };
  let end = 0;
  files.forEach((file, index) => {
    layout.startBytes[index] = file.startBytes;
    layout.sizeBytes[index] = file.sizeBytes;
    layout.paths.set(paths[index] ?? Buffer.alloc(0), end);
    end += paths[index]?.length ?? 0;
    layout.pathEnds[index] = end;
  });
  if (hashOf !== undefined) {
    for (let piece = 0; piece < pieceCount; piece++) layout.hashes.set(hashOf(piece), piece * 32);
  }
  return layout;
}

/** Notes in a layout whether a piece may be served. */
export function setHeld(layout: ImageLayoutData, piece: number, held: boolean): void {
  const mask = 0x80 >> (piece & 7);
  if (held) Atomics.or(layout.held, piece >> 3, mask);
  else Atomics.and(layout.held, piece >> 3, ~mask & 0xff);
}

/** A part of one file. */
export interface FilePart {
  readonly file: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Where the part lies in the range that was asked for. */
  readonly atBytes: number;
}

/** Answers what lies where in an image; a view of the shared data, for one thread. */
export class ImageLayout {
  readonly data: ImageLayoutData;

  constructor(data: ImageLayoutData) {
    this.data = data;
  }

  get blocksPerPiece(): number {
    return this.data.pieceSizeBytes / blockBytes;
  }

  has(piece: number): boolean {
    if (piece >= this.data.pieceCount) return false;
    return (Atomics.load(this.data.held, piece >> 3) & (0x80 >> (piece & 7))) !== 0;
  }

  hashOf(piece: number): Uint8Array {
    return this.data.hashes.subarray(piece * 32, piece * 32 + 32);
  }

  /** The file in which a piece of BEP 52 lies, and where in it. */
  placeOf(piece: number): FilePart {
    const { pieceSizeBytes, sizeBytes, startBytes } = this.data;
    const start = piece * pieceSizeBytes;
    const file = this.#fileAt(start);
    const offsetBytes = start - (startBytes[file] ?? 0);
    const lengthBytes = Math.min(pieceSizeBytes, (sizeBytes[file] ?? 0) - offsetBytes);
    return { file, offsetBytes, lengthBytes, atBytes: 0 };
  }

  /** The parts of files in a range of the row; what is between them is zeros. */
  partsOf(startBytes: number, lengthBytes: number): FilePart[] {
    const parts: FilePart[] = [];
    const end = startBytes + lengthBytes;
    for (let file = this.#fileAt(startBytes); file < this.data.startBytes.length; file++) {
      const fileStart = this.data.startBytes[file] ?? 0;
      if (fileStart >= end) break;
      const from = Math.max(startBytes, fileStart);
      const to = Math.min(end, fileStart + (this.data.sizeBytes[file] ?? 0));
      if (to <= from) continue;
      parts.push({
        file,
        offsetBytes: from - fileStart,
        lengthBytes: to - from,
        atBytes: from - startBytes,
      });
    }
    return parts;
  }

  /** The last file that starts at or before this place. */
  #fileAt(place: number): number {
    const { startBytes } = this.data;
    let low = 0;
    let high = startBytes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((startBytes[middle] ?? Infinity) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  fileSizeBytes(file: number): number {
    return this.data.sizeBytes[file] ?? 0;
  }

  /** Whether the file is one piece, whose hash is then the file's own root. */
  isOnePiece(file: number): boolean {
    return this.fileSizeBytes(file) <= this.data.pieceSizeBytes;
  }

  pathOf(file: number): string {
    const { paths, pathEnds } = this.data;
    const start = file === 0 ? 0 : (pathEnds[file - 1] ?? 0);
    // TextDecoder takes no shared memory.
    return Buffer.from(paths.slice(start, pathEnds[file])).toString('utf8');
  }
}
