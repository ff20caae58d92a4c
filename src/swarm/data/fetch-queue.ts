import { PeerError } from '../../errors.ts';
import { encodeMessage, type BlockRange } from '../message.ts';
import type { BufferPool } from './buffer-pool.ts';
import { FetchWindow } from './fetch-window.ts';
import type { OpenImage } from './open-image.ts';
import { PieceTask } from './piece-task.ts';

export interface FetchQueueEvents {
  send(bytes: Buffer): void;
  /** Every byte of the piece has come; whether it is true is not known yet. */
  onComplete(task: PieceTask): void;
  /** What is wanted of the peer is about to end: a window's worth is left. */
  onLow(): void;
  /** The peer does not send these now; they are to be asked of others. */
  onReturned(pieces: readonly number[], why: 'rejected' | 'choked'): void;
}

/** What a peer lets wait that does not say (BEP 10 `reqq`). */
const defaultPeerQueue = 250;
/** Requests that a choke made void and that may be answered all the same. */
const maxForgiven = 4_096;
const ordinaryRequestBytes = 16 << 10;

/** The block that is coming in at the moment. */
interface Incoming {
  readonly task: PieceTask | undefined;
  readonly request: number;
  readonly lengthBytes: number;
  atBytes: number;
}

/** Asks one peer for whole pieces, several requests ahead, and puts together what it sends. */
export class FetchQueue {
  readonly window = new FetchWindow();
  receivedBytes = 0;
  /** The largest request that the peer takes. */
  maxRequestBytes = ordinaryRequestBytes;
  /** How many requests the peer lets wait. */
  peerQueue = defaultPeerQueue;
  knowsCancel = false;
  readonly #pool: BufferPool;
  readonly #now: () => number;
  readonly #events: FetchQueueEvents;
  #image: OpenImage | undefined;
  readonly #tasks = new Map<number, PieceTask>();
  /** What was taken back and is not answered yet; a piece may have been wanted again, and again. */
  readonly #cancelled = new Map<number, PieceTask[]>();
  readonly #forgiven = new Set<string>();
  /** Tasks that have something to ask for, in the order in which they are wanted. */
  #open: PieceTask[] = [];
  #openAt = 0;
  #choked = true;
  #inFlightBytes = 0;
  /** What is wanted and has not come; of the block that is coming in, all. */
  #owedBytes = 0;
  #toldLow = false;
  #inFlight = 0;
  #incoming: Incoming | undefined;
  #probe: { task: PieceTask; request: number } | undefined;

  constructor(components: { pool: BufferPool; now: () => number }, events: FetchQueueEvents) {
    this.#pool = components.pool;
    this.#now = components.now;
    this.#events = events;
  }

  want(image: OpenImage, pieces: readonly number[]): void {
    this.#image = image;
    const small = ordinaryRequestBytes;
    const requestBytes = Math.max(
      small,
      Math.floor((this.maxRequestBytes * image.share) / small) * small,
    );
    for (const piece of pieces) {
      if (this.#tasks.has(piece)) continue;
      const task = new PieceTask(
        { layout: image.layout, pool: this.#pool },
        { piece, requestBytes },
      );
      this.#tasks.set(piece, task);
      this.#open.push(task);
      this.#owedBytes += task.sizeBytes;
      this.#toldLow = false;
    }
    this.fill();
  }

  /** Takes wishes back; what was asked for already is taken back too, where the peer knows how. */
  unwant(pieces: readonly number[]): void {
    for (const piece of pieces) {
      const task = this.#tasks.get(piece);
      if (task === undefined) continue;
      if (this.knowsCancel) {
        for (const range of task.askedRanges()) {
          this.#events.send(encodeMessage({ type: 'cancel', range }));
        }
      }
      this.#cancel(task);
    }
    this.fill();
  }

  #cancel(task: PieceTask): void {
    this.#tasks.delete(task.piece);
    task.cancelled = true;
    this.#owedBytes -= task.owedBytes;
    task.discard();
    if (task.inFlight === 0) return;
    const others = this.#cancelled.get(task.piece);
    if (others === undefined) this.#cancelled.set(task.piece, [task]);
    else others.push(task);
  }

  /** All that a cancelled task had asked for is answered. */
  #forget(task: PieceTask): void {
    const others = (this.#cancelled.get(task.piece) ?? []).filter((other) => other !== task);
    if (others.length > 0) this.#cancelled.set(task.piece, others);
    else this.#cancelled.delete(task.piece);
  }

  onUnchoke(): void {
    this.#choked = false;
    this.fill();
  }

  /** The peer answers no more (BEP 3); with the fast extension it rejects each request itself. */
  onChoke(): void {
    this.#choked = true;
    const pieces = [...this.#tasks.keys()];
    if (!this.knowsCancel) {
      for (const tasks of this.#cancelled.values()) for (const task of tasks) this.#forgive(task);
      this.#cancelled.clear();
      for (const task of this.#tasks.values()) this.#forgive(task);
    }
    for (const task of this.#tasks.values()) this.#cancel(task);
    if (pieces.length > 0) this.#events.onReturned(pieces, 'choked');
  }

  #forgive(task: PieceTask): void {
    for (const range of task.askedRanges()) {
      if (this.#forgiven.size < maxForgiven) this.#forgiven.add(keyOf(range));
      this.#answered(range.lengthBytes);
    }
    task.inFlight = 0;
    if (this.#probe?.task !== task) return;
    this.#probe = undefined;
    this.window.unanswered();
  }

  #answered(lengthBytes: number): void {
    this.#inFlight -= 1;
    this.#inFlightBytes -= lengthBytes;
  }

  /** @throws PeerError PEER_PROTOCOL when the request was never sent */
  onReject(range: BlockRange): void {
    const { piece, beginBytes, lengthBytes } = range;
    // What was taken back is the older request, and the one that is rejected for it.
    const found =
      this.#findCancelled(piece, beginBytes, lengthBytes) ??
      this.#find(piece, beginBytes, lengthBytes);
    if (found === undefined) {
      if (this.#forgiven.delete(keyOf(range))) return;
      throw new PeerError('PEER_PROTOCOL', 'the peer rejected what nobody asked for');
    }
    const { task, request } = found;
    task.reject(request);
    if (!task.cancelled) this.#owedBytes -= range.lengthBytes;
    this.#answered(range.lengthBytes);
    this.#unmark(task, request);
    if (task.cancelled) {
      if (task.inFlight === 0) this.#forget(task);
    } else {
      this.#cancel(task);
      this.#events.onReturned([task.piece], 'rejected');
    }
    this.fill();
  }

  #unmark(task: PieceTask, request: number): void {
    if (this.#probe?.task !== task || this.#probe.request !== request) return;
    this.#probe = undefined;
    this.window.unanswered();
  }

  #find(piece: number, beginBytes: number, lengthBytes: number) {
    const task = this.#tasks.get(piece);
    const request = task?.requestAt(beginBytes, lengthBytes);
    if (task !== undefined && request !== undefined) return { task, request };
    return this.#findCancelled(piece, beginBytes, lengthBytes);
  }

  #findCancelled(piece: number, beginBytes: number, lengthBytes: number) {
    for (const task of this.#cancelled.get(piece) ?? []) {
      const request = task.requestAt(beginBytes, lengthBytes);
      if (request !== undefined) return { task, request };
    }
    return undefined;
  }

  /** Sends as many requests as the window has room for; small gaps are left until they are larger. */
  fill(): void {
    const share = this.#image?.share ?? 1;
    const windowBytes = Math.max(ordinaryRequestBytes, this.window.bytes * share);
    if (this.#choked || (this.#inFlight > 0 && this.#comingBytes > windowBytes * 0.75)) return;
    const requests: Buffer[] = [];
    while (this.#comingBytes < windowBytes && this.#inFlight < this.peerQueue) {
      const task = this.#open[this.#openAt];
      if (task === undefined) break;
      const request = task.cancelled ? undefined : task.nextRequest();
      if (request === undefined) {
        this.#openAt += 1;
        continue;
      }
      requests.push(this.#ask(task, request));
    }
    if (this.#openAt > 1_024 || this.#openAt >= this.#open.length) {
      this.#open = this.#open.slice(this.#openAt);
      this.#openAt = 0;
    }
    if (requests.length > 0) this.#events.send(Buffer.concat(requests));
    if (this.#inFlight === 0) this.window.idle(this.#now());
  }

  #ask(task: PieceTask, request: number): Buffer {
    const range = task.rangeOf(request);
    this.#inFlight += 1;
    this.#inFlightBytes += range.lengthBytes;
    if (this.window.asked(this.#now())) this.#probe = { task, request };
    return encodeMessage({ type: 'request', range });
  }

  /**
   * A block begins.
   * @throws PeerError PEER_PROTOCOL when nobody asked for it
   */
  onBlock(piece: number, beginBytes: number, lengthBytes: number): void {
    const found = this.#find(piece, beginBytes, lengthBytes);
    if (found === undefined) {
      if (!this.#forgiven.delete(keyOf({ piece, beginBytes, lengthBytes }))) {
        throw new PeerError('PEER_PROTOCOL', 'the peer sent a block that nobody asked for');
      }
      this.#incoming = { task: undefined, request: 0, lengthBytes, atBytes: 0 };
      return;
    }
    if (this.#probe?.task === found.task && this.#probe.request === found.request) {
      this.#probe = undefined;
      this.window.answered(this.#now());
    }
    this.#incoming = { ...found, lengthBytes, atBytes: 0 };
  }

  onBlockBytes(bytes: Buffer): void {
    const incoming = this.#incoming;
    if (incoming === undefined) return;
    this.receivedBytes += bytes.length;
    const { task } = incoming;
    if (task?.cancelled === false) task.put(incoming.request, incoming.atBytes, bytes);
    incoming.atBytes += bytes.length;
    if (incoming.atBytes < incoming.lengthBytes) {
      if (this.#openAt < this.#open.length) this.fill();
      this.#tellLow();
      return;
    }
    this.#incoming = undefined;
    if (task !== undefined) this.#settle(task, incoming.request, incoming.lengthBytes);
  }

  /** What was asked for and is still to come. */
  get #comingBytes(): number {
    return this.#inFlightBytes - (this.#incoming?.atBytes ?? 0);
  }

  #tellLow(): void {
    if (this.#toldLow) return;
    const incoming = this.#incoming?.task?.cancelled === false ? this.#incoming.atBytes : 0;
    if (this.#owedBytes - incoming > this.window.bytes) return;
    this.#toldLow = true;
    this.#events.onLow();
  }

  #settle(task: PieceTask, request: number, lengthBytes: number): void {
    task.settle(request);
    this.#answered(lengthBytes);
    this.window.received(lengthBytes, this.#now());
    if (task.cancelled) {
      if (task.inFlight === 0) this.#forget(task);
    } else {
      this.#owedBytes -= lengthBytes;
      if (task.isComplete) {
        this.#tasks.delete(task.piece);
        this.#events.onComplete(task);
      }
      this.#tellLow();
    }
    this.fill();
  }

  /** Gives all memory back. */
  close(): void {
    for (const task of this.#tasks.values()) task.discard();
    this.#tasks.clear();
    this.#open = [];
  }
}

const keyOf = ({ piece, beginBytes, lengthBytes }: BlockRange): string =>
  `${piece}/${beginBytes}/${lengthBytes}`;
