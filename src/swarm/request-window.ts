import { blockBytes } from '../image/index.ts';
import type { Assembly } from './assembly.ts';
import type { BlockRange } from './message.ts';

/** A request that was sent and not answered yet. */
export interface PendingRequest {
  readonly assembly: Assembly;
  readonly block: number;
  /** Taken back; the answer, which still comes, is not used. */
  cancelled: boolean;
}

/** How far ahead a peer is asked: what it sends in this time. */
const aheadSeconds = 0.25;
const minBlocks = 16;
const maxBlocks = 512;
const startBlocks = 32;
/** What a peer lets wait that does not say (BEP 10 `reqq`). */
const defaultPeerQueue = 250;
/** How much the last second counts in the measured rate. */
const smoothing = 0.4;

/** What one peer is asked for at the moment, and how much it should be. */
export class RequestWindow {
  /** How many requests the peer lets wait. */
  peerQueue: number = defaultPeerQueue;
  lastAnswerMs: number;
  readonly #pending = new Map<string, PendingRequest>();
  #rateBytesPerSecond = 0;
  #measuredBytes = 0;

  constructor(nowMs: number) {
    this.lastAnswerMs = nowMs;
  }

  get size(): number {
    return this.#pending.size;
  }

  /**
   * How many more blocks should be asked for now. Small gaps are left open, so that requests go
   * out several at a time.
   */
  get room(): number {
    const room = this.#limit - this.#pending.size;
    return this.#pending.size === 0 || room >= this.#limit / 4 ? room : 0;
  }

  get #limit(): number {
    const ahead = Math.ceil((this.#rateBytesPerSecond * aheadSeconds) / blockBytes);
    const wanted = this.#rateBytesPerSecond === 0 ? startBlocks : Math.max(minBlocks, ahead);
    return Math.min(wanted, maxBlocks, this.peerQueue);
  }

  add(range: BlockRange, request: PendingRequest, nowMs: number): void {
    if (this.#pending.size === 0) this.lastAnswerMs = nowMs;
    this.#pending.set(keyOf(range), request);
  }

  /** Takes the request that an answer belongs to. Undefined: it was not asked for. */
  settle(range: BlockRange, nowMs: number): PendingRequest | undefined {
    const key = keyOf(range);
    const request = this.#pending.get(key);
    if (request === undefined) return undefined;
    this.#pending.delete(key);
    this.lastAnswerMs = nowMs;
    return request;
  }

  find(range: BlockRange): PendingRequest | undefined {
    return this.#pending.get(keyOf(range));
  }

  /** Takes all requests. */
  clear(): PendingRequest[] {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    return all;
  }

  measure(bytes: number): void {
    this.#measuredBytes += bytes;
  }

  /** Works out the rate; called about once a second. */
  tick(elapsedMs: number): void {
    const rate = (this.#measuredBytes * 1_000) / Math.max(1, elapsedMs);
    const before = this.#rateBytesPerSecond;
    this.#rateBytesPerSecond = before === 0 ? rate : before + smoothing * (rate - before);
    this.#measuredBytes = 0;
  }
}

const keyOf = (range: BlockRange): string =>
  `${range.piece}/${range.beginBytes}/${range.lengthBytes}`;
