import { blockBytes, hashBlocks, hashBytes, pieceRoot } from '../../image/merkle.ts';
import type { FilePart, ImageLayout } from './image-layout.ts';
import type { BlockRange } from '../message.ts';
import type { BufferPool } from './buffer-pool.ts';

const unasked = 0;
const asked = 1;
const received = 2;

/**
 * One piece that one peer sends. Its bytes land in their place as they come, and each request is
 * hashed when it is whole, while the processor still has it near.
 */
export class PieceTask {
  readonly piece: number;
  readonly place: FilePart;
  readonly requestBytes: number;
  readonly requestCount: number;
  /** Taken back: what still comes is not used. */
  cancelled = false;
  /** How many requests were sent and not answered. */
  inFlight = 0;
  readonly #layout: ImageLayout;
  readonly #state: Uint8Array;
  readonly #pool: BufferPool;
  #nextAsk = 0;
  #received = 0;
  #data: Buffer | undefined;
  #leaves: Buffer | undefined;

  constructor(
    components: { layout: ImageLayout; pool: BufferPool },
    init: { piece: number; requestBytes: number },
  ) {
    this.#layout = components.layout;
    this.#pool = components.pool;
    this.piece = init.piece;
    this.requestBytes = init.requestBytes;
    this.place = components.layout.placeOf(init.piece);
    this.requestCount = Math.ceil(this.place.lengthBytes / init.requestBytes);
    this.#state = new Uint8Array(this.requestCount);
  }

  get sizeBytes(): number {
    return this.place.lengthBytes;
  }

  get isComplete(): boolean {
    return this.#received === this.requestCount;
  }

  /** What has not come in whole requests. */
  get owedBytes(): number {
    let bytes = 0;
    for (let request = 0; request < this.requestCount; request++) {
      if (this.#state[request] !== received) bytes += this.lengthOf(request);
    }
    return bytes;
  }

  lengthOf(request: number): number {
    return Math.min(this.requestBytes, this.sizeBytes - request * this.requestBytes);
  }

  /** Takes the next request that nobody was sent. */
  nextRequest(): number | undefined {
    while (this.#nextAsk < this.requestCount && this.#state[this.#nextAsk] !== unasked) {
      this.#nextAsk += 1;
    }
    if (this.#nextAsk >= this.requestCount) return undefined;
    this.#state[this.#nextAsk] = asked;
    this.inFlight += 1;
    return this.#nextAsk++;
  }

  rangeOf(request: number): BlockRange {
    return {
      piece: this.piece,
      beginBytes: request * this.requestBytes,
      lengthBytes: this.lengthOf(request),
    };
  }

  /** What was asked for and not answered. */
  askedRanges(): BlockRange[] {
    const ranges: BlockRange[] = [];
    for (let request = 0; request < this.#nextAsk; request++) {
      if (this.#state[request] === asked) ranges.push(this.rangeOf(request));
    }
    return ranges;
  }

  /** The request will not be answered. */
  reject(request: number): void {
    this.#state[request] = received;
    this.inFlight -= 1;
  }

  /** The request that a range answers; undefined when it was not asked for. */
  requestAt(beginBytes: number, lengthBytes: number): number | undefined {
    const request = beginBytes / this.requestBytes;
    if (!Number.isInteger(request) || this.#state[request] !== asked) return undefined;
    return this.lengthOf(request) === lengthBytes ? request : undefined;
  }

  /** Puts bytes in their place. */
  put(request: number, atBytes: number, bytes: Uint8Array): void {
    this.#data ??= this.#pool.take(this.sizeBytes);
    this.#data.set(bytes, request * this.requestBytes + atBytes);
  }

  /** The request was answered in full. */
  settle(request: number): void {
    this.#state[request] = received;
    this.inFlight -= 1;
    this.#received += 1;
    if (this.cancelled || this.#data === undefined) return;
    const start = request * this.requestBytes;
    const data = this.#data.subarray(start, start + this.lengthOf(request));
    this.#leaves ??= Buffer.allocUnsafe(Math.ceil(this.sizeBytes / blockBytes) * hashBytes);
    this.#leaves.set(hashBlocks(data), (start / blockBytes) * hashBytes);
  }

  /** Whether the piece is the content of its image (BEP 52); only of a complete one. */
  isTrue(): boolean {
    const { file } = this.place;
    const leaves = this.#leaves ?? Buffer.alloc(0);
    const root = pieceRoot(leaves, this.#layout.blocksPerPiece, this.#layout.isOnePiece(file));
    return root.equals(this.#layout.hashOf(this.piece));
  }

  /** The data, which is the caller's from now on, who gives it back to the pool. */
  detach(): Buffer {
    const data = this.#data ?? Buffer.alloc(0);
    this.#data = undefined;
    return data;
  }

  /** Gives the memory back. */
  discard(): void {
    if (this.#data !== undefined) this.#pool.give(this.#data);
    this.#data = undefined;
  }
}
