import type { Socket } from 'node:net';
import { PeerError } from '../../errors.ts';
import { requestQueueLimit, type BlockRange } from '../message.ts';
import type { BlockRun, BlockSource, WireRun } from './block-source.ts';
import type { OpenImage } from './open-image.ts';
import type { SharedRate } from './shared-rate.ts';

/** How much is read and sent at a time: one peer does not hold up the others for longer. */
const runBytes = 256 << 10;
/** So much may wait in the socket while the next run is read. */
const sendAheadBytes = 512 << 10;

/**
 * Answers the requests of one peer, in order, as fast as its socket and the rate limits take them.
 * Requests that follow each other in a piece are read at once, and the next ones while those are
 * being sent.
 */
export class UploadQueue {
  sentBytes = 0;
  readonly #socket: Socket;
  readonly #source: BlockSource;
  readonly #rate: SharedRate;
  readonly #onError: (error: Error) => void;
  #queue: BlockRange[] = [];
  #queueAt = 0;
  #image: OpenImage | undefined;
  #unsentBytes = 0;
  #reading = false;
  /** The run that waits because of a limit. */
  #waiting: { timer: NodeJS.Timeout; image: OpenImage; run: BlockRun } | undefined;
  #closed = false;

  constructor(
    components: { socket: Socket; source: BlockSource; rate: SharedRate },
    init: { onError: (error: Error) => void },
  ) {
    this.#socket = components.socket;
    this.#source = components.source;
    this.#rate = components.rate;
    this.#onError = init.onError;
  }

  /** @throws PeerError PEER_PROTOCOL when more requests wait than may */
  push(image: OpenImage, range: BlockRange): void {
    if (this.#queue.length - this.#queueAt >= requestQueueLimit) {
      throw new PeerError('PEER_PROTOCOL', 'the peer sent more requests than it may');
    }
    this.#image = image;
    this.#queue.push(range);
    // Later, so that requests that come together are read together.
    if (this.#queue.length === 1) setImmediate(() => this.#pump());
  }

  /** Takes a request back. @returns false when it was answered, or is being answered. */
  cancel(range: BlockRange): boolean {
    const at = this.#queue.findIndex(
      (waiting, index) =>
        index >= this.#queueAt &&
        waiting.piece === range.piece &&
        waiting.beginBytes === range.beginBytes &&
        waiting.lengthBytes === range.lengthBytes,
    );
    if (at < 0) return false;
    this.#queue.splice(at, 1);
    this.#tidy();
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queueAt = 0;
    clearTimeout(this.#waiting?.timer);
    this.#waiting = undefined;
  }

  /** What is read at once leaves in one system call. */
  #pump(): void {
    if (this.#closed || this.#reading || this.#queueAt >= this.#queue.length) return;
    this.#socket.cork();
    this.#readMore();
    this.#socket.uncork();
  }

  #readMore(): void {
    const image = this.#image;
    while (
      !this.#closed &&
      !this.#reading &&
      image !== undefined &&
      this.#queueAt < this.#queue.length &&
      this.#unsentBytes < sendAheadBytes
    ) {
      this.#reading = true;
      this.#readInTime(image, this.#nextRun(image.share), false);
    }
  }

  /** Reads once the limits allow it. */
  #readInTime(image: OpenImage, run: BlockRun, again: boolean): void {
    const waitMs = Math.max(this.#rate.take(run.totalBytes), image.uploadRate.take(run.totalBytes));
    if (waitMs === 0) {
      this.#read(image, run, again);
      return;
    }
    const timer = setTimeout(() => {
      this.#waiting = undefined;
      this.#read(image, run, true);
    }, waitMs);
    this.#waiting = { timer, image, run };
  }

  /** What waits because of a limit waits by the new one. */
  onLimitsChanged(): void {
    if (this.#waiting === undefined) return;
    const { timer, image, run } = this.#waiting;
    clearTimeout(timer);
    this.#waiting = undefined;
    this.#readInTime(image, run, true);
  }

  /** The next requests that lie one behind the other. */
  #nextRun(share: number): BlockRun {
    const first = this.#queue[this.#queueAt++];
    if (first === undefined) throw new RangeError('no request waits');
    let totalBytes = first.lengthBytes;
    let last = first;
    for (; this.#queueAt < this.#queue.length; this.#queueAt++) {
      const next = this.#queue[this.#queueAt];
      const follows =
        next?.piece === first.piece &&
        next.beginBytes === first.beginBytes + totalBytes &&
        // Only the last block of a run is shorter.
        last.lengthBytes === first.lengthBytes &&
        next.lengthBytes <= first.lengthBytes;
      if (!follows || totalBytes + next.lengthBytes > runBytes * share) break;
      totalBytes += next.lengthBytes;
      last = next;
    }
    this.#tidy();
    const { piece, beginBytes, lengthBytes: blockBytes } = first;
    return { piece, beginBytes, totalBytes, blockBytes };
  }

  /** Forgets what was answered: a queue in which nothing waits is empty, as `push` relies on. */
  #tidy(): void {
    if (this.#queueAt >= this.#queue.length) {
      this.#queue = [];
      this.#queueAt = 0;
    } else if (this.#queueAt > 1_024) {
      this.#queue = this.#queue.slice(this.#queueAt);
      this.#queueAt = 0;
    }
  }

  /** @param again whether the queue is to be looked at afterwards, by nobody else */
  #read(image: OpenImage, run: BlockRun, again: boolean): void {
    let read: WireRun | Promise<WireRun>;
    try {
      read = this.#source.read(image, run);
    } catch (error) {
      this.#onError(error as Error);
      return;
    }
    if (read instanceof Promise) {
      read.then(
        (wire) => {
          this.#send(run, wire);
          this.#pump();
        },
        (error: unknown) => {
          this.#onError(error as Error);
        },
      );
      return;
    }
    this.#send(run, read);
    if (again) this.#pump();
  }

  #send(run: BlockRun, wire: WireRun): void {
    this.#reading = false;
    if (this.#closed) {
      wire.giveBack();
      return;
    }
    this.#unsentBytes += wire.bytes.length;
    this.sentBytes += run.totalBytes;
    this.#socket.write(wire.bytes, () => {
      this.#unsentBytes -= wire.bytes.length;
      wire.giveBack();
      this.#pump();
    });
  }
}
