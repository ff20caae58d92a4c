import { closeSync, constants, openSync, readv, readvSync } from 'node:fs';
import { StorageError } from '../../errors.ts';
import { encodePieceHeaderInto, pieceHeaderBytes } from '../message.ts';
import { after, BufferPool } from './buffer-pool.ts';
import { FileTable } from './file-table.ts';
import type { FilePart } from './image-layout.ts';
import type { OpenImage } from './open-image.ts';

/** Blocks of one piece that lie behind each other, and are read and sent together. */
export interface BlockRun {
  readonly piece: number;
  readonly beginBytes: number;
  readonly totalBytes: number;
  /** How long each block is; the last may be shorter. */
  readonly blockBytes: number;
}

/** A run as it goes over the wire: a `piece` message for each block (BEP 3). */
export interface WireRun {
  readonly bytes: Buffer;
  /** The bytes are not looked at any more by who took them. */
  giveBack(): void;
}

interface Kept {
  readonly key: string;
  readonly bytes: Buffer;
  users: number;
  evicted: boolean;
}

const openFilesLimit = 64;
/** Files up to this size are read at once, not through the thread pool. */
const smallFileBytes = 64 << 10;

/**
 * Reads blocks for whoever asks. What was read last is kept as it goes over the wire, bounded in
 * bytes, so that what many peers ask for at a time is read once and sent without a copy.
 */
export class BlockSource {
  readonly #limitBytes: number;
  readonly #pool: BufferPool;
  readonly #files = new FileTable({
    flags: constants.O_RDONLY | constants.O_NOFOLLOW,
    limit: openFilesLimit,
  });
  readonly #kept = new Map<string, Kept>();
  readonly #reading = new Map<string, Promise<Kept>>();
  #keptBytes = 0;
  /** How many bytes were read from files. */
  readBytes = 0;

  constructor(init: { limitBytes: number }) {
    this.#limitBytes = init.limitBytes;
    this.#pool = new BufferPool({ limitBytes: 4 << 20 });
  }

  /**
   * Only pieces that are held may be asked for. Beyond the end of a file the bytes are zero.
   * @throws StorageError when the disk fails or a file is shorter than it was
   */
  read(image: OpenImage, run: BlockRun): WireRun | Promise<WireRun> {
    const key = `${image.key}/${run.piece}/${run.beginBytes}/${run.totalBytes}/${run.blockBytes}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return this.#lend(kept);
    }
    const { pieceSizeBytes } = image.layout.data;
    const start = run.piece * pieceSizeBytes + run.beginBytes;
    const parts = image.layout.partsOf(start, run.totalBytes);
    const small = parts.every(({ file }) => image.layout.fileSizeBytes(file) <= smallFileBytes);
    if (small) return this.#lend(this.#keep(key, this.#readSmall(image, run, parts)));
    const reading = this.#reading.get(key) ?? this.#readLarge(image, run, parts, key);
    return reading.then((read) => this.#lend(read));
  }

  #lend(kept: Kept): WireRun {
    kept.users += 1;
    return {
      bytes: kept.bytes,
      giveBack: () => {
        kept.users -= 1;
        if (kept.evicted && kept.users === 0) this.#pool.give(kept.bytes);
      },
    };
  }

  #keep(key: string, bytes: Buffer): Kept {
    const kept: Kept = { key, bytes, users: 0, evicted: false };
    this.#kept.set(key, kept);
    this.#keptBytes += bytes.length;
    for (const oldest of this.#kept.values()) {
      if (this.#keptBytes <= this.#limitBytes || oldest === kept) break;
      this.#evict(oldest);
    }
    return kept;
  }

  #evict(kept: Kept): void {
    this.#kept.delete(kept.key);
    this.#keptBytes -= kept.bytes.length;
    kept.evicted = true;
    if (kept.users === 0) this.#pool.give(kept.bytes);
  }

  #readSmall(image: OpenImage, run: BlockRun, parts: readonly FilePart[]): Buffer {
    const bytes = this.#frame(run, parts);
    for (const part of parts) {
      withFile(image, part, (path) => {
        const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
        try {
          const views = viewsOf(bytes, run, part);
          const count = readvSync(file, views, part.offsetBytes);
          if (count !== part.lengthBytes) throw shorter(path);
        } finally {
          closeSync(file);
        }
      });
    }
    this.readBytes += run.totalBytes;
    return bytes;
  }

  #readLarge(
    image: OpenImage,
    run: BlockRun,
    parts: readonly FilePart[],
    key: string,
  ): Promise<Kept> {
    const reading = this.#readParts(image, run, parts)
      .then((bytes) => this.#keep(key, bytes))
      .finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  async #readParts(image: OpenImage, run: BlockRun, parts: readonly FilePart[]): Promise<Buffer> {
    const bytes = this.#frame(run, parts);
    for (const part of parts) {
      const lent = withFile(image, part, (path) => ({ path, ...this.#files.lend(path) }));
      try {
        await readFully(lent.file, viewsOf(bytes, run, part), part.offsetBytes, lent.path);
      } finally {
        lent.giveBack();
      }
    }
    this.readBytes += run.totalBytes;
    return bytes;
  }

  /** The headers of the blocks, with room for what is to be read between them. */
  #frame(run: BlockRun, parts: readonly FilePart[]): Buffer {
    const blocks = Math.ceil(run.totalBytes / run.blockBytes);
    const bytes = this.#pool.take(run.totalBytes + blocks * pieceHeaderBytes);
    const covered = parts.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    if (covered < run.totalBytes) bytes.fill(0);
    for (let done = 0, at = 0; done < run.totalBytes; done += run.blockBytes) {
      const length = Math.min(run.blockBytes, run.totalBytes - done);
      encodePieceHeaderInto(bytes, at, run.piece, run.beginBytes + done, length);
      at += pieceHeaderBytes + length;
    }
    return bytes;
  }

  /** Closes the files of an image; those that are still read, afterwards. */
  closeFiles(image: OpenImage): void {
    this.#files.closeBelow(image.tree);
  }

  /** Forgets an image. */
  close(image: OpenImage): void {
    this.closeFiles(image);
    const prefix = `${image.key}/`;
    for (const kept of this.#kept.values()) if (kept.key.startsWith(prefix)) this.#evict(kept);
  }

  closeAll(): void {
    this.#files.close();
  }
}

/** Does something with a file of an image, also when its tree was moved a moment ago. */
function withFile<T>(image: OpenImage, part: FilePart, work: (path: string) => T): T {
  const path = image.pathOf(part.file);
  try {
    try {
      return work(path);
    } catch (error) {
      const moved = image.movedPathOf(part.file);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || moved === undefined) throw error;
      return work(moved);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

const shorter = (path: string): Error => new Error(`"${path}" is shorter than it was`);

const unreadable = (path: string, cause: unknown): StorageError =>
  new StorageError(
    'STORAGE_FAILED',
    `"${path}" can't be read: ${cause instanceof Error ? cause.message : String(cause)}`,
    { evidence: { path }, cause },
  );

/** Where in the frame the bytes of a part of a file go: block by block. */
function viewsOf(bytes: Buffer, run: BlockRun, part: FilePart): Buffer[] {
  const views: Buffer[] = [];
  const end = part.atBytes + part.lengthBytes;
  for (let at = part.atBytes; at < end;) {
    const block = Math.floor(at / run.blockBytes);
    const until = Math.min(end, (block + 1) * run.blockBytes);
    const room = (block + 1) * pieceHeaderBytes;
    views.push(bytes.subarray(at + room, until + room));
    at = until;
  }
  return views;
}

function readFully(
  file: number,
  views: readonly Buffer[],
  positionBytes: number,
  path: string,
): Promise<void> {
  const wanted = views.reduce((sum, { length }) => sum + length, 0);
  return new Promise((resolve, reject) => {
    readv(file, views, positionBytes, (error, count) => {
      if (error !== null) reject(unreadable(path, error));
      else if (count === wanted) resolve();
      else if (count === 0) reject(unreadable(path, shorter(path)));
      else readFully(file, after(views, count), positionBytes + count, path).then(resolve, reject);
    });
  });
}
