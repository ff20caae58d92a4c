import type { Socket } from 'node:net';
import { blockBytes } from '../image/index.ts';
import type { PieceReader } from './image-reader.ts';
import { encodePieceHeader, type BlockRange } from './message.ts';
import { cancellableDelay } from './delay.ts';
import type { TokenBucket } from './token-bucket.ts';

/** How much is read and sent at a time: one peer does not hold up the others for longer. */
const runBytes = 16 * blockBytes;

/** How many requests may wait; what is advertised as `reqq` (BEP 10). */
export const requestQueueLimit = 2_000;

/**
 * Answers the requests of one peer, in order, as fast as its socket and the rate limit take them.
 * Requests that follow each other in a piece are read at once.
 */
export class UploadQueue {
  readonly #socket: Socket;
  readonly #bucket: TokenBucket;
  readonly #onSent: (bytes: number) => void;
  readonly #onError: (error: unknown) => void;
  readonly #closing = new AbortController();
  #queue: BlockRange[] = [];
  #running = false;

  constructor(
    components: { socket: Socket; bucket: TokenBucket },
    init: { onSent: (bytes: number) => void; onError: (error: unknown) => void },
  ) {
    this.#socket = components.socket;
    this.#bucket = components.bucket;
    this.#onSent = init.onSent;
    this.#onError = init.onError;
  }

  get length(): number {
    return this.#queue.length;
  }

  push(range: BlockRange, reader: PieceReader): void {
    this.#queue.push(range);
    if (this.#running) return;
    this.#running = true;
    this.#run(reader).catch(this.#onError);
  }

  /** Takes a request back. @returns false when it was answered, or is being answered. */
  cancel(range: BlockRange): boolean {
    const at = this.#queue.findIndex(
      (waiting) =>
        waiting.piece === range.piece &&
        waiting.beginBytes === range.beginBytes &&
        waiting.lengthBytes === range.lengthBytes,
    );
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    return true;
  }

  close(): void {
    this.#closing.abort();
    this.#queue = [];
  }

  async #run(reader: PieceReader): Promise<void> {
    try {
      while (this.#queue.length > 0 && !this.#closing.signal.aborted) {
        await this.#send(this.#nextRun(), reader);
      }
    } finally {
      this.#running = false;
    }
  }

  /** The next requests that lie one behind the other. */
  #nextRun(): BlockRange[] {
    const run: BlockRange[] = [];
    let bytes = 0;
    for (const range of this.#queue) {
      const last = run.at(-1);
      const follows =
        last === undefined ||
        (last.piece === range.piece && last.beginBytes + last.lengthBytes === range.beginBytes);
      if (!follows || (bytes > 0 && bytes + range.lengthBytes > runBytes)) break;
      run.push(range);
      bytes += range.lengthBytes;
    }
    this.#queue.splice(0, run.length);
    return run;
  }

  async #send(run: readonly BlockRange[], reader: PieceReader): Promise<void> {
    const first = run[0];
    if (first === undefined) return;
    const bytes = run.reduce((sum, range) => sum + range.lengthBytes, 0);
    const waitMs = this.#bucket.take(bytes);
    if (waitMs > 0) await cancellableDelay(waitMs, this.#closing.signal);
    const data = await reader.read(first.piece, first.beginBytes, bytes);
    if (this.#closing.signal.aborted) return;
    this.#socket.cork();
    let drained = true;
    for (const { piece, beginBytes, lengthBytes } of run) {
      this.#socket.write(encodePieceHeader(piece, beginBytes, lengthBytes));
      const start = beginBytes - first.beginBytes;
      drained = this.#socket.write(data.subarray(start, start + lengthBytes));
    }
    this.#socket.uncork();
    this.#onSent(bytes);
    if (!drained) await this.#drain();
  }

  #drain(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }
}
