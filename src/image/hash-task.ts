import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { blockCount, hashBlocks, hashBytes, pieceRoot } from './merkle.ts';

/** A file, or a run of whole pieces of one, to be hashed and, on the way, copied. */
export interface HashTask {
  readonly source: string;
  /** Where the bytes go; the file may be there already, and what it has elsewhere stays. */
  readonly destination: string | undefined;
  readonly destinationStartBytes: number;
  /** Whether the hash is that of a file of one piece: its own root, not one of a piece's height. */
  readonly onlyPiece: boolean;
  readonly pieceSizeBytes: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** Whether SHA-1 of each piece is wanted too, and the end of the file counts as zero-filled. */
  readonly v1: 'none' | 'padded' | 'unpadded';
}

export interface HashResult {
  /** The hashes of the pieces; of an only piece, the root of its file. */
  readonly layer: Uint8Array;
  /** SHA-1 of the pieces, 20 bytes each; empty unless wanted. */
  readonly v1: Uint8Array;
}

/** A file was shorter than when it was walked. */
export class ShortReadError extends Error {
  readonly path: string;
  constructor(path: string) {
    super(`"${path}" is shorter than it was`);
    this.path = path;
  }
}

const readBytes = 1 << 20;
const readBuffer = Buffer.allocUnsafeSlow(readBytes);
const zeros = Buffer.alloc(readBytes);

/**
 * Does one task with synchronous reads, in memory that does not grow with the file. Meant for a
 * worker thread.
 */
export function runHashTask(task: HashTask): HashResult {
  const source = openSync(task.source, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { O_WRONLY, O_CREAT } = constants;
    const destination =
      task.destination === undefined
        ? undefined
        : openSync(task.destination, O_WRONLY | O_CREAT, 0o644);
    try {
      return hashPieces(task, source, destination);
    } finally {
      if (destination !== undefined) closeSync(destination);
    }
  } finally {
    closeSync(source);
  }
}

function hashPieces(task: HashTask, source: number, destination: number | undefined): HashResult {
  const pieces = Math.ceil(task.lengthBytes / task.pieceSizeBytes);
  const layer = new Uint8Array(pieces * hashBytes);
  const v1 = new Uint8Array(task.v1 === 'none' ? 0 : pieces * 20);
  const end = task.startBytes + task.lengthBytes;
  for (let index = 0; index < pieces; index++) {
    const start = task.startBytes + index * task.pieceSizeBytes;
    const to = task.destinationStartBytes + index * task.pieceSizeBytes;
    const length = Math.min(task.pieceSizeBytes, end - start);
    const leaves: Buffer[] = [];
    const sha1 = task.v1 === 'none' ? undefined : createHash('sha1');
    for (let done = 0; done < length;) {
      const chunk = readFully(
        task.source,
        source,
        start + done,
        Math.min(readBytes, length - done),
      );
      if (destination !== undefined) writeFully(destination, chunk, to + done);
      leaves.push(hashBlocks(chunk));
      sha1?.update(chunk);
      done += chunk.length;
    }
    const blocks = blockCount(task.pieceSizeBytes);
    layer.set(pieceRoot(Buffer.concat(leaves), blocks, task.onlyPiece), index * hashBytes);
    if (sha1 !== undefined) {
      if (task.v1 === 'padded') updateZeros(sha1, task.pieceSizeBytes - length);
      v1.set(sha1.digest(), index * 20);
    }
  }
  return { layer, v1 };
}

function readFully(path: string, file: number, position: number, length: number): Buffer {
  let filled = 0;
  while (filled < length) {
    const count = readSync(file, readBuffer, filled, length - filled, position + filled);
    if (count === 0) throw new ShortReadError(path);
    filled += count;
  }
  return readBuffer.subarray(0, length);
}

function writeFully(file: number, data: Buffer, position: number): void {
  for (let done = 0; done < data.length;) {
    done += writeSync(file, data, done, data.length - done, position + done);
  }
}

function updateZeros(sha1: ReturnType<typeof createHash>, count: number): void {
  for (let left = count; left > 0; left -= readBytes) sha1.update(zeros.subarray(0, left));
}
