import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import { abortion, forEachConcurrently } from './concurrency.ts';
import { hashFiles } from './hash-files.ts';
import { HashPool } from './hash-pool.ts';
import type { StoredImage } from './image-store.ts';
import type { V1HashTask } from './v1-hash-task.ts';
import { v1Segments, type V1Layout } from './v1-layout.ts';
import { v1Space, v1TorrentOf, type V1Torrent } from './v1-torrent.ts';

export interface MakeV1Options {
  readonly signal?: AbortSignal | undefined;
  /** The files are read twice, so `bytesTotal` is twice the image's size. */
  readonly onProgress?: (progress: { type: 'v1'; bytesDone: number; bytesTotal: number }) => void;
}

/** One request to a thread covers whole pieces of about this much. */
const requestBytes = 16 << 20;

/**
 * Makes the v1-only torrent of an image by reading its files: first against the roots that the image
 * id vouches for, then for the SHA-1 of the pieces, which run over the borders of files. Memory
 * depends on the number of threads, not on the size of the image.
 * @throws StorageError STORAGE_CORRUPT when the store holds something other than the image;
 * ImageError IMAGE_METAINFO when there is nothing to describe
 */
export async function makeV1Torrent(
  image: StoredImage,
  init: { readonly threads?: number | undefined } = {},
  options: MakeV1Options = {},
): Promise<V1Torrent> {
  const { info } = image.metainfo;
  const space = v1Space(info);
  const report = (bytesDone: number) =>
    options.onProgress?.({ type: 'v1', bytesDone, bytesTotal: 2 * info.sizeBytes });
  await assertIntact(image, init, { signal: options.signal, onBytes: report });
  const pieces = await hashPieces(image.tree, space, init, {
    signal: options.signal,
    onBytes: (bytesDone) => report(info.sizeBytes + bytesDone),
  });
  return v1TorrentOf(info, pieces);
}

interface Options {
  readonly signal: AbortSignal | undefined;
  readonly onBytes: (bytesDone: number) => void;
}

/** Throws unless the tree holds the very bytes of the image. */
async function assertIntact(
  { imageId, metainfo, tree }: StoredImage,
  { threads }: { readonly threads?: number | undefined },
  options: Options,
): Promise<void> {
  const { files, pieceSizeBytes } = metainfo.info;
  const hashed = await hashFiles(
    files.map(({ path, sizeBytes }) => ({
      path,
      sizeBytes,
      source: join(tree, path),
      destination: undefined,
      padded: false,
    })),
    { pieceSizeBytes, v1: false, threads },
    options,
  );
  for (const { path, root } of files) {
    const found = hashed.get(path)?.root;
    if (found?.toString('hex') === root?.toString('hex')) continue;
    throw new StorageError(
      'STORAGE_CORRUPT',
      `"${join(tree, path)}" is not what was baked; remove the image from the store and fetch it again`,
      { evidence: { imageId, path, expected: root, actual: found } },
    );
  }
}

async function hashPieces(
  tree: string,
  space: Omit<V1Layout, 'infoHash'>,
  { threads }: { readonly threads?: number | undefined },
  options: Options,
): Promise<Buffer> {
  await using pool = new HashPool(threads);
  const runs: Uint8Array[] = [];
  let bytesDone = 0;
  const aborted = abortion(options.signal);
  try {
    await forEachConcurrently(runsOf(tree, space), pool.width, async ({ index, task, bytes }) => {
      options.signal?.throwIfAborted();
      const [result] = await Promise.race([pool.run([task]), aborted.promise]);
      if (result !== undefined) runs[index] = result.v1;
      bytesDone += bytes;
      options.onBytes(bytesDone);
    });
  } finally {
    aborted.release();
  }
  return Buffer.concat(runs);
}

/** Cuts the space into runs of whole pieces. */
function* runsOf(
  tree: string,
  space: Omit<V1Layout, 'infoHash'>,
): Generator<{ index: number; task: V1HashTask; bytes: number }> {
  const { pieceSizeBytes, sizeBytes } = space;
  const runBytes = Math.max(1, Math.floor(requestBytes / pieceSizeBytes)) * pieceSizeBytes;
  for (let start = 0, index = 0; start < sizeBytes; start += runBytes, index++) {
    const bytes = Math.min(runBytes, sizeBytes - start);
    const parts = v1Segments(space, start, bytes).map((segment) => ({
      source: join(tree, segment.path ?? ''),
      offsetBytes: segment.offsetBytes,
      lengthBytes: segment.lengthBytes,
    }));
    yield { index, task: { pieceSizeBytes, parts }, bytes };
  }
}
