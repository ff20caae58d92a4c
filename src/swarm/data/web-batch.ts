import type { PieceTask } from './piece-task.ts';

/**
 * Pieces that lie behind each other in one file, and come in one answer. Its bytes go to their
 * places as they come.
 */
export class WebBatch {
  readonly tasks: readonly PieceTask[];
  readonly #onComplete: (task: PieceTask) => void;
  #at = 0;
  #atBytes = 0;
  #request: number | undefined;

  constructor(tasks: readonly PieceTask[], onComplete: (task: PieceTask) => void) {
    this.tasks = tasks;
    this.#onComplete = onComplete;
  }

  get file(): number {
    return this.tasks[0]?.place.file ?? 0;
  }

  get offsetBytes(): number {
    return this.tasks[0]?.place.offsetBytes ?? 0;
  }

  get lengthBytes(): number {
    return this.tasks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** Whether nothing of it is wanted any more. */
  get isCancelled(): boolean {
    return this.tasks.slice(this.#at).every(({ cancelled }) => cancelled);
  }

  /** Takes the next bytes; never more than there are places for. */
  put(chunk: Buffer): void {
    for (let taken = 0; taken < chunk.length;) {
      const task = this.tasks[this.#at];
      if (task === undefined) throw new RangeError('there are more bytes than places');
      taken += this.#putInto(task, chunk.subarray(taken));
      if (this.#atBytes < task.sizeBytes) continue;
      this.#at += 1;
      this.#atBytes = 0;
      this.#request = undefined;
      if (!task.cancelled) this.#onComplete(task);
    }
  }

  /** @returns how many bytes were of this request of the piece */
  #putInto(task: PieceTask, bytes: Buffer): number {
    if (task.cancelled) {
      const skipped = Math.min(bytes.length, task.sizeBytes - this.#atBytes);
      this.#atBytes += skipped;
      return skipped;
    }
    const request = (this.#request ??= task.nextRequest() ?? 0);
    const within = this.#atBytes - request * task.requestBytes;
    const left = task.lengthOf(request) - within;
    const part = bytes.subarray(0, left);
    task.put(request, within, part);
    this.#atBytes += part.length;
    if (part.length === left) {
      task.settle(request);
      this.#request = undefined;
    }
    return part.length;
  }
}

/** One answer brings so much, or one piece. */
const mostBytes = 1 << 20;

/** Takes the tasks for the next request: the first, and what lies behind it. */
export function nextBatch(waiting: PieceTask[]): PieceTask[] {
  const taken: PieceTask[] = [];
  let bytes = 0;
  let end: number | undefined;
  let count = 0;
  for (const task of waiting) {
    if (task.cancelled) {
      count += 1;
      continue;
    }
    const { file, offsetBytes } = task.place;
    const follows = file === taken[0]?.place.file && offsetBytes === end;
    if (taken.length > 0 && (!follows || bytes + task.sizeBytes > mostBytes)) break;
    taken.push(task);
    bytes += task.sizeBytes;
    end = offsetBytes + task.sizeBytes;
    count += 1;
  }
  waiting.splice(0, count);
  return taken;
}
