import { closeSync, constants, openSync, unlinkSync, writeSync, writev } from 'node:fs';
import { after, type BufferPool } from './buffer-pool.ts';
import { FileTable } from './file-table.ts';
import type { OpenImage } from './open-image.ts';
import type { PieceTask } from './piece-task.ts';

/** Files up to this size are written at once, and by name. */
const smallFileBytes = 256 << 10;
const openFilesLimit = 64;

/** A verified piece on its way to the disk. */
interface Writing {
  readonly piece: number;
  readonly path: string;
  readonly positionBytes: number;
  readonly data: Buffer;
  /** It is a whole file, made anew: what lies at its path may be a link into another image. */
  readonly isSmallFile: boolean;
  /** Told when it is on disk. */
  readonly done: () => void;
}

/** What is written to one file: one call at a time, which takes all that lies in a row. */
interface FileQueue {
  waiting: Writing[];
  busy: boolean;
}

export interface PieceSinkEvents {
  /** A piece could not be written. It is kept, and written again when that is asked for. */
  onUnwritten(image: OpenImage, piece: number, path: string, error: NodeJS.ErrnoException): void;
}

/** Verifies pieces, and writes those that hold. Nothing that does not hold is ever written. */
export class PieceSink {
  readonly #pool: BufferPool;
  readonly #events: PieceSinkEvents;
  readonly #files = new FileTable({
    flags: constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    limit: openFilesLimit,
  });
  readonly #queues = new Map<string, FileQueue>();
  readonly #unwritten = new Map<OpenImage, Writing[]>();
  readonly #busy = new Map<OpenImage, number>();
  readonly #idle = new Map<OpenImage, () => void>();

  constructor(components: { pool: BufferPool }, events: PieceSinkEvents) {
    this.#pool = components.pool;
    this.#events = events;
  }

  /**
   * Takes a complete piece.
   * @param done called when it is written
   * @returns false when it is not what the image has there
   */
  accept(image: OpenImage, task: PieceTask, done: () => void): boolean {
    if (!task.isTrue()) {
      task.discard();
      return false;
    }
    const { file, offsetBytes } = task.place;
    const writing: Writing = {
      piece: task.piece,
      path: image.pathOf(file),
      positionBytes: offsetBytes,
      data: task.detach(),
      isSmallFile: image.layout.isOnePiece(file) && task.sizeBytes <= smallFileBytes,
      done,
    };
    this.#write(image, writing);
    return true;
  }

  #write(image: OpenImage, writing: Writing): void {
    if (writing.isSmallFile) this.#writeSmall(image, writing);
    else this.#enqueue(image, writing);
  }

  /**
   * Opening, writing and closing a small file in the thread pool takes longer than the system needs
   * for all three, thousands of times in an image of small files.
   */
  #writeSmall(image: OpenImage, writing: Writing): void {
    try {
      const file = createFile(writing.path);
      try {
        for (let at = 0; at < writing.data.length;) at += writeSync(file, writing.data, at);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      this.#keep(image, writing, error as NodeJS.ErrnoException);
      return;
    }
    this.#written(writing);
  }

  #enqueue(image: OpenImage, writing: Writing): void {
    const queue = this.#queues.get(writing.path) ?? { waiting: [], busy: false };
    this.#queues.set(writing.path, queue);
    queue.waiting.push(writing);
    this.#busy.set(image, (this.#busy.get(image) ?? 0) + 1);
    if (!queue.busy) this.#next(image, writing.path, queue);
  }

  #next(image: OpenImage, path: string, queue: FileQueue): void {
    const row = takeRow(queue);
    const [first] = row;
    if (first === undefined) {
      this.#queues.delete(path);
      return;
    }
    queue.busy = true;
    const finish = (error: NodeJS.ErrnoException | undefined) => {
      queue.busy = false;
      for (const writing of row) {
        if (error === undefined) this.#written(writing);
        else this.#keep(image, writing, error);
      }
      this.#next(image, path, queue);
      this.#settle(image, row.length);
    };
    try {
      const lent = this.#files.lend(path);
      const data = row.map((writing) => writing.data);
      writeFully(lent.file, data, first.positionBytes, (error) => {
        lent.giveBack();
        finish(error ?? undefined);
      });
    } catch (error) {
      // Later, so that who asked is not called back before it has returned.
      setImmediate(finish, error as NodeJS.ErrnoException);
    }
  }

  #settle(image: OpenImage, count: number): void {
    const left = (this.#busy.get(image) ?? 0) - count;
    if (left > 0) {
      this.#busy.set(image, left);
      return;
    }
    this.#busy.delete(image);
    this.#idle.get(image)?.();
  }

  #written(writing: Writing): void {
    this.#pool.give(writing.data);
    writing.done();
  }

  #keep(image: OpenImage, writing: Writing, error: NodeJS.ErrnoException): void {
    const kept = this.#unwritten.get(image) ?? [];
    kept.push(writing);
    this.#unwritten.set(image, kept);
    this.#events.onUnwritten(image, writing.piece, writing.path, error);
  }

  /** Writes again what could not be written: one piece first, to see whether it works. */
  retry(image: OpenImage): void {
    const [first, ...others] = this.#unwritten.get(image) ?? [];
    if (first === undefined) return;
    this.#unwritten.set(image, others);
    const done = () => {
      const left = this.#unwritten.get(image) ?? [];
      this.#unwritten.delete(image);
      first.done();
      for (const writing of left) this.#write(image, writing);
    };
    this.#write(image, { ...first, done });
  }

  /** Calls back when nothing is being written for this image. */
  whenIdle(image: OpenImage, callback: () => void): void {
    if (!this.#busy.has(image)) {
      callback();
      return;
    }
    const before = this.#idle.get(image);
    this.#idle.set(image, () => {
      this.#idle.delete(image);
      before?.();
      callback();
    });
  }

  /** Forgets an image; nothing is being written for it. */
  close(image: OpenImage): void {
    this.#unwritten.delete(image);
    this.#files.closeBelow(image.tree);
  }

  closeAll(): void {
    this.#files.close();
  }
}

/** Takes the pieces that lie behind each other, from the lowest one that waits. */
function takeRow(queue: FileQueue): Writing[] {
  queue.waiting.sort((a, b) => a.positionBytes - b.positionBytes);
  let count = queue.waiting.length > 0 ? 1 : 0;
  for (; count < queue.waiting.length; count++) {
    const before = queue.waiting[count - 1];
    const end = (before?.positionBytes ?? 0) + (before?.data.length ?? 0);
    if (queue.waiting[count]?.positionBytes !== end) break;
  }
  return queue.waiting.splice(0, count);
}

function createFile(path: string): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // What lies there is not whole, or a link into another image: it is not written to.
    unlinkSync(path);
    return openSync(path, flags, 0o644);
  }
}

function writeFully(
  file: number,
  data: readonly Buffer[],
  positionBytes: number,
  done: (error: NodeJS.ErrnoException | null) => void,
): void {
  writev(file, data, positionBytes, (error, count) => {
    if (error !== null) {
      done(error);
      return;
    }
    const left = after(data, count);
    if (left.length === 0) done(null);
    else writeFully(file, left, positionBytes + count, done);
  });
}
