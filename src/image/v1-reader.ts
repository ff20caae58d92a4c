import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import { v1Segments, type V1Layout } from './v1-layout.ts';

/**
 * Reads a range of a v1 torrent's space from the tree of its image. Files are opened to read, for
 * this call only, and never made.
 * @throws StorageError STORAGE_FAILED when the disk fails or a file is shorter than it was
 */
export async function readV1Bytes(
  layout: Pick<V1Layout, 'sizeBytes' | 'files'>,
  tree: string,
  startBytes: number,
  lengthBytes: number,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(lengthBytes);
  let at = 0;
  for (const segment of v1Segments(layout, startBytes, lengthBytes)) {
    const part = buffer.subarray(at, at + segment.lengthBytes);
    at += segment.lengthBytes;
    if (segment.path === undefined) part.fill(0);
    else await readPart(join(tree, segment.path), segment.offsetBytes, part);
  }
  return buffer;
}

async function readPart(path: string, offsetBytes: number, part: Buffer): Promise<void> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      for (let done = 0; done < part.length;) {
        const { bytesRead } = await file.read(part, done, part.length - done, offsetBytes + done);
        if (bytesRead === 0) throw new Error('the file is shorter than it was');
        done += bytesRead;
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError('STORAGE_FAILED', `"${path}" can't be read: ${why}`, {
      evidence: { path },
      cause,
    });
  }
}
