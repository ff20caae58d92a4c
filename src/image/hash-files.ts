import { abortion, forEachConcurrently } from './concurrency.ts';
import { HashPool } from './hash-pool.ts';
import type { HashResult, HashTask } from './hash-task.ts';
import { blockCount, hashBytes, heightFor, rootOf } from './merkle.ts';

export interface FileToHash {
  readonly path: string;
  readonly sizeBytes: number;
  readonly source: string;
  /** Where the bytes are copied to on the way. */
  readonly destination: string | undefined;
  /** In a hybrid, whether zeros fill its last piece. */
  readonly padded: boolean;
}

export interface HashedFile {
  /** The merkle root; of an empty file there is none. */
  readonly root: Buffer | undefined;
  /** The hashes of its pieces. */
  readonly layer: Buffer;
  /** SHA-1 of its pieces; empty unless wanted. */
  readonly v1: Buffer;
}

export interface HashFilesOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: ((bytesDone: number) => void) | undefined;
}

/** One request to a thread covers about this much, of one large file or of many small ones. */
export const requestBytes = 16 << 20;
const requestTasks = 64;

/**
 * Hashes files on worker threads, and copies those that have a destination. Memory depends on the
 * number of threads, not on the size of the files.
 */
export async function hashFiles(
  files: readonly FileToHash[],
  init: { pieceSizeBytes: number; v1: boolean; threads?: number | undefined },
  options: HashFilesOptions = {},
): Promise<Map<string, HashedFile>> {
  await using pool = new HashPool(init.threads);
  const results = new Map<string, HashResult[]>();
  let bytesDone = 0;
  const aborted = abortion(options.signal);
  try {
    await forEachConcurrently(inBatches(partsOf(files, init)), pool.width, async (request) => {
      options.signal?.throwIfAborted();
      const answers = await Promise.race([
        pool.run(request.map(({ task }) => task)),
        aborted.promise,
      ]);
      request.forEach(({ path, task, part }, index) => {
        const answer = answers[index];
        if (answer === undefined) return;
        const parts = results.get(path) ?? [];
        parts[part] = answer;
        results.set(path, parts);
        bytesDone += task.lengthBytes;
      });
      options.onBytes?.(bytesDone);
    });
  } finally {
    aborted.release();
  }
  return new Map(
    files.map((file) => [file.path, combine(file, results.get(file.path) ?? [], init)]),
  );
}

interface PartTask {
  readonly path: string;
  readonly part: number;
  readonly task: HashTask;
}

/** Cuts files into parts of at most a request's size. */
function* partsOf(
  files: readonly FileToHash[],
  init: { pieceSizeBytes: number; v1: boolean },
): Generator<PartTask> {
  const partBytes = Math.max(init.pieceSizeBytes, requestBytes);
  for (const file of files) {
    for (
      let start = 0, part = 0;
      part === 0 || start < file.sizeBytes;
      start += partBytes, part++
    ) {
      const lengthBytes = Math.min(partBytes, file.sizeBytes - start);
      yield { path: file.path, part, task: taskOf(file, init, start, lengthBytes) };
    }
  }
}

/** Gathers tasks into requests of about the same size. */
export function* inBatches<T extends { readonly task: HashTask }>(parts: Iterable<T>) {
  let batch: T[] = [];
  let batchBytes = 0;
  for (const part of parts) {
    batch.push(part);
    batchBytes += part.task.lengthBytes;
    if (batchBytes >= requestBytes || batch.length >= requestTasks) {
      yield batch;
      batch = [];
      batchBytes = 0;
    }
  }
  if (batch.length > 0) yield batch;
}

function taskOf(
  file: FileToHash,
  init: { pieceSizeBytes: number; v1: boolean },
  startBytes: number,
  lengthBytes: number,
): HashTask {
  return {
    source: file.source,
    destination: file.destination,
    destinationStartBytes: startBytes,
    onlyPiece: file.sizeBytes <= init.pieceSizeBytes,
    pieceSizeBytes: init.pieceSizeBytes,
    startBytes,
    lengthBytes,
    v1: init.v1 ? (file.padded ? 'padded' : 'unpadded') : 'none',
  };
}

function combine(
  file: FileToHash,
  parts: readonly HashResult[],
  init: { pieceSizeBytes: number },
): HashedFile {
  const layer = Buffer.concat(parts.map((part) => part.layer));
  const v1 = Buffer.concat(parts.map((part) => part.v1));
  if (file.sizeBytes === 0) return { root: undefined, layer, v1 };
  const height = heightFor(blockCount(file.sizeBytes));
  const onlyPiece = layer.length === hashBytes;
  const pieceHeight = onlyPiece ? height : heightFor(blockCount(init.pieceSizeBytes));
  return { root: rootOf(layer, pieceHeight, height), layer, v1 };
}
