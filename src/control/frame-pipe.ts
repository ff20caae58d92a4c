import type { Stream } from '@libp2p/interface';
import { PeerError } from '../errors.ts';
import { encodeFrame, FrameReader } from './frames.ts';

export interface FramePipeInit {
  readonly maxFrameBytes: number;
  /** Something has arrived. */
  readonly onHeard?: () => void;
  /** More can be sent, after `isFull`. */
  readonly onDrain?: () => void;
  /**
   * Takes each frame in the very turn in which it arrives, before yamux writes an answer to it; `read`
   * then only waits for the end. What it throws ends the stream.
   */
  readonly onFrame?: (frame: Buffer) => void;
}

/** What arrived and nobody has read; more, and the sender is told to wait. */
const maxUnread = { frames: 64, bytes: 512 * 1024 };

/** Sends and reads frames on a stream of libp2p, one reader at a time. */
export class FramePipe {
  readonly #stream: Stream;
  readonly #init: FramePipeInit;
  readonly #reader: FrameReader;
  readonly #unread: Buffer[] = [];
  #unreadBytes = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #isPaused = false;
  #hasEnded = false;
  #error: Error | undefined;

  constructor(stream: Stream, init: FramePipeInit) {
    this.#stream = stream;
    this.#init = init;
    this.#reader = new FrameReader(init.maxFrameBytes);
    stream.addEventListener('drain', () => init.onDrain?.());
    stream.addEventListener('end', () => this.#end());
    stream.addEventListener('close', ({ error }) => this.#end(error));
    stream.addEventListener('message', ({ data }) => this.#onData(data.subarray()));
    // What came with the negotiation is told in a microtask, also when the stream has ended since.
    if (stream.status !== 'open' || stream.readableEnded) queueMicrotask(() => this.#end());
  }

  /** What was sent and has not left this process, in bytes. */
  get backlogBytes(): number {
    return this.#stream.writeBufferLength;
  }

  /** Whether more should wait for `onDrain`. */
  get isFull(): boolean {
    return this.#stream.writableNeedsDrain;
  }

  /**
   * @returns the body of the next frame; undefined when the other side has ended
   * @throws PeerError when it broke the protocol, or the connection was lost; the signal's reason
   */
  async read(options: { signal: AbortSignal }): Promise<Buffer | undefined> {
    const { signal } = options;
    for (;;) {
      const frame = this.#unread.shift();
      if (frame !== undefined) {
        this.#unreadBytes -= frame.length;
        if (this.#isPaused && this.#unread.length === 0) this.#resume();
        return frame;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#hasEnded) return undefined;
      signal.throwIfAborted();
      const waiting = Promise.withResolvers<void>();
      this.#waiting = waiting;
      const onAbort = () => waiting.resolve();
      signal.addEventListener('abort', onAbort, { once: true });
      await waiting.promise;
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Sends one message, or what `encodeFrame` made of it.
   * @throws PeerError PEER_CLOSED when the stream is closed
   */
  send(message: Readonly<Record<string, unknown>> | Buffer): void {
    const frame = Buffer.isBuffer(message) ? message : encodeFrame(message);
    try {
      this.#stream.send(frame);
    } catch (cause) {
      throw new PeerError('PEER_CLOSED', 'the stream to the peer is closed', { cause });
    }
  }

  /** Ends this side once what was sent has left. @throws the signal's reason */
  async close(options: { signal: AbortSignal }): Promise<void> {
    await this.#stream.close(options);
  }

  /** Ends both sides at once; what is on its way is lost. */
  abort(error: Error): void {
    this.#end(error);
    this.#stream.abort(error);
  }

  #onData(bytes: Uint8Array): void {
    this.#init.onHeard?.();
    try {
      for (const frame of this.#reader.push(bytes)) {
        if (this.#init.onFrame !== undefined) {
          this.#init.onFrame(frame);
          continue;
        }
        this.#unread.push(frame);
        this.#unreadBytes += frame.length;
      }
    } catch (error) {
      this.abort(error as PeerError);
    }
    const isMuch = this.#unread.length > maxUnread.frames || this.#unreadBytes > maxUnread.bytes;
    if (isMuch && !this.#isPaused && !this.#hasEnded) {
      this.#isPaused = true;
      this.#stream.pause();
    }
    this.#waiting?.resolve();
  }

  #resume(): void {
    this.#isPaused = false;
    if (this.#stream.readStatus === 'paused') this.#stream.resume();
  }

  #end(error?: Error): void {
    // libp2p tells of the end first and then why.
    if (this.#error === undefined && error !== undefined) {
      const isOurs = error instanceof PeerError;
      const what = `the connection to the peer was lost: ${error.message}`;
      this.#error = isOurs ? error : new PeerError('PEER_CLOSED', what, { cause: error });
    }
    this.#hasEnded = true;
    this.#waiting?.resolve();
  }
}
