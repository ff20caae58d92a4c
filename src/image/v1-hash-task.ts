import { createHash } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { ShortReadError } from './hash-task.ts';

/** Whole pieces of a v1 torrent, as the parts of files that they consist of. */
export interface V1HashTask {
  readonly pieceSizeBytes: number;
  readonly parts: readonly {
    readonly source: string;
    readonly offsetBytes: number;
    readonly lengthBytes: number;
  }[];
}

const readBuffer = Buffer.allocUnsafeSlow(1 << 20);

/**
 * SHA-1 of every piece, 20 bytes each, by synchronous reads into one buffer: for a worker thread.
 * @throws ShortReadError; what the disk reports, with `path`
 */
export function runV1HashTask(task: V1HashTask): Uint8Array {
  const digests: Buffer[] = [];
  let sha1 = createHash('sha1');
  let filled = 0;
  const closePiece = () => {
    digests.push(sha1.digest());
    sha1 = createHash('sha1');
    filled = 0;
  };
  for (const { source, offsetBytes, lengthBytes } of task.parts) {
    const file = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (let done = 0; done < lengthBytes;) {
        const room = Math.min(readBuffer.length, task.pieceSizeBytes - filled, lengthBytes - done);
        const count = readSync(file, readBuffer, 0, room, offsetBytes + done);
        if (count === 0) throw new ShortReadError(source);
        sha1.update(readBuffer.subarray(0, count));
        done += count;
        filled += count;
        if (filled === task.pieceSizeBytes) closePiece();
      }
    } finally {
      closeSync(file);
    }
  }
  if (filled > 0) closePiece();
  return Buffer.concat(digests);
}
