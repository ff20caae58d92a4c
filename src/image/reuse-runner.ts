import { isStarlingError } from '../errors.ts';
import { abortion, forEachConcurrently } from './concurrency.ts';
import { inBatches } from './hash-files.ts';
import { HashPool } from './hash-pool.ts';
import { hashBytes } from './merkle.ts';
import { pieceHeight, rangeHashes } from './range-hashes.ts';
import { halves, type ReusePart } from './reuse-parts.ts';
import type { Metainfo } from './torrent-file.ts';

/** Why something is not reused. It is fetched instead, so none of these is an error of the fetch. */
export type ReuseTrouble =
  /** What lies at `path` is not what the image there says: the store is damaged. */
  | {
      readonly type: 'damaged';
      readonly path: string;
      readonly offsetBytes: number;
      /** The piece of the wanted image that was looked for there. */
      readonly piece: number;
    }
  /** It is gone, or can't be read, linked or written. */
  | { readonly type: 'unusable'; readonly path: string; readonly cause: unknown }
  /** The disk is full: nothing more is copied. */
  | { readonly type: 'noSpace'; readonly path: string; readonly cause: unknown };

/** Is told which pieces of a part hold, after they were read and, where wanted, written. */
export type OnPart<Job> = (job: Job, pieces: readonly number[]) => Promise<void> | void;

/**
 * Runs parts on worker threads and says which pieces hold. What fails costs the pieces that it must:
 * a part with a bad spot is halved until only the bad pieces are left out, a source that is gone is
 * asked once, and on a full disk no more is copied.
 */
export class PartRunner implements AsyncDisposable {
  readonly #pool: HashPool;
  readonly #wanted: Metainfo;
  readonly #options: { signal?: AbortSignal | undefined };
  readonly #onTrouble: (trouble: ReuseTrouble) => void;
  readonly #aborted: ReturnType<typeof abortion>;
  readonly #unusable = new Set<string>();
  readonly #damaged = new Set<number>();
  #isFull = false;

  constructor(
    init: { wanted: Metainfo; threads?: number | undefined },
    options: { signal?: AbortSignal | undefined; onTrouble: (trouble: ReuseTrouble) => void },
  ) {
    this.#pool = new HashPool(init.threads);
    this.#wanted = init.wanted;
    this.#options = options;
    this.#onTrouble = options.onTrouble;
    this.#aborted = abortion(options.signal);
  }

  /** @throws the signal's reason, and nothing else */
  async run<Job>(parts: Iterable<ReusePart<Job>>, onPart: OnPart<Job>): Promise<void> {
    await forEachConcurrently(inBatches(parts), this.#pool.width, (batch) =>
      this.#runBatch(batch, onPart),
    );
  }

  /** Notes what failed outside of a part. */
  failed(path: string, cause: unknown): void {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'STORAGE_NO_SPACE') {
      if (!this.#isFull) this.#onTrouble({ type: 'noSpace', path, cause });
      this.#isFull = true;
    } else {
      if (!this.#unusable.has(path)) this.#onTrouble({ type: 'unusable', path, cause });
      this.#unusable.add(path);
    }
  }

  async #runBatch<Job>(batch: readonly ReusePart<Job>[], onPart: OnPart<Job>): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const parts = batch.filter((part) => !this.#isHopeless(part));
    if (parts.length === 0) return;
    const tasks = parts.map(({ task }) => task);
    let results;
    try {
      results = await Promise.race([this.#pool.run(tasks), this.#aborted.promise]);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      await this.#divide(parts, error, onPart);
      return;
    }
    for (const [index, part] of parts.entries()) {
      const held = this.#piecesThatHold(part, results[index]?.layer);
      await onPart(part.job, held);
    }
  }

  #isHopeless<Job>({ task, shownPath }: ReusePart<Job>): boolean {
    return this.#unusable.has(shownPath) || (this.#isFull && task.destination !== undefined);
  }

  /** Of a request only the first failure is known, and nothing of what it did before. */
  async #divide<Job>(
    parts: readonly ReusePart<Job>[],
    error: unknown,
    onPart: OnPart<Job>,
  ): Promise<void> {
    const [part] = parts;
    if (part === undefined) return;
    if (parts.length > 1) {
      for (const alone of parts) await this.#runBatch([alone], onPart);
    } else if (!isBadSpot(error)) {
      this.failed(part.shownPath, error);
    } else if (part.task.lengthBytes > part.task.pieceSizeBytes) {
      for (const half of halves(part)) await this.#runBatch([half], onPart);
    } else {
      this.#reportDamage(part, part.firstPiece);
    }
  }

  #piecesThatHold<Job>(part: ReusePart<Job>, layer: Uint8Array | undefined): number[] {
    const { file, firstPiece, task } = part;
    const wanted = rangeHashes(this.#wanted, file, pieceHeight(task.pieceSizeBytes));
    if (wanted === undefined || layer === undefined) return [];
    const held: number[] = [];
    for (let at = 0; at < layer.length; at += hashBytes) {
      const piece = firstPiece + at / hashBytes;
      const start = (piece - file.firstPiece) * hashBytes;
      const expected = wanted.subarray(start, start + hashBytes);
      if (expected.equals(layer.subarray(at, at + hashBytes))) held.push(piece);
      else this.#reportDamage(part, piece);
    }
    return held;
  }

  #reportDamage<Job>({ shownPath, task, firstPiece }: ReusePart<Job>, piece: number): void {
    if (this.#damaged.has(piece)) return;
    this.#damaged.add(piece);
    const offsetBytes = task.startBytes + (piece - firstPiece) * task.pieceSizeBytes;
    this.#onTrouble({ type: 'damaged', path: shownPath, offsetBytes, piece });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#aborted.release();
    await this.#pool[Symbol.asyncDispose]();
  }
}

/** A file that ends early, or a sector that can't be read; the rest of the file may be good. */
function isBadSpot(error: unknown): boolean {
  if (!isStarlingError(error)) return false;
  const { errno } = error.evidence;
  return error.code === 'IMAGE_CHANGED' ? errno === undefined : errno === 'EIO';
}
