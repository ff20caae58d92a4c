import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PeerError } from '../../../../src/errors.ts';
import { parseMessage, type BlockRange } from '../../../../src/swarm/message.ts';
import { BufferPool } from '../../../../src/swarm/data/buffer-pool.ts';
import { FetchQueue } from '../../../../src/swarm/data/fetch-queue.ts';
import type { PieceTask } from '../../../../src/swarm/data/piece-task.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { flatImage } from './flat-image.ts';

const kib = 1 << 10;
const pieceSizeBytes = 64 * kib;
const image = flatImage({
  pieceSizeBytes,
  files: {
    large: seededBytes(1, 6 * pieceSizeBytes + 20_000),
    small: seededBytes(2, 100),
    fresh: seededBytes(3, 20 * pieceSizeBytes),
  },
});
const usedPieces = 8;
const freshPieces = Array.from({ length: 20 }, (_, index) => usedPieces + index);

/** Counts what is taken and not given back. */
class CountingPool extends BufferPool {
  taken = 0;

  constructor() {
    super({ limitBytes: 1 << 20 });
  }

  override take(sizeBytes: number): Buffer {
    this.taken += 1;
    return super.take(sizeBytes);
  }

  override give(buffer: Buffer): void {
    this.taken -= 1;
    super.give(buffer);
  }
}

const keyOf = ({ piece, beginBytes, lengthBytes }: BlockRange) =>
  `${piece}/${beginBytes}/${lengthBytes}`;

/** A queue, and what its peer and its owner know. The clock stands still, so the window does too. */
class Conversation {
  readonly fast: boolean;
  readonly pool = new CountingPool();
  /** What the peer was asked for and has not answered, in any order. */
  pending: BlockRange[] = [];
  /** Without the fast extension: what a choke made void, and may come all the same. */
  late: BlockRange[] = [];
  readonly wanted = new Set<number>();
  readonly complete: PieceTask[] = [];
  choking = true;
  asked = 0;
  readonly queue: FetchQueue;

  constructor(fast: boolean) {
    this.fast = fast;
    this.queue = new FetchQueue(
      { pool: this.pool, now: () => 0 },
      {
        send: (bytes) => {
          this.#hear(bytes);
        },
        onComplete: (task) => {
          expect(this.wanted.delete(task.piece)).toBe(true);
          expect(task.isTrue()).toBe(true);
          this.complete.push(task);
          this.pool.give(task.detach());
        },
        onLow: () => undefined,
        onReturned: (pieces) => {
          for (const piece of pieces) expect(this.wanted.delete(piece)).toBe(true);
        },
      },
    );
    this.queue.knowsCancel = fast;
  }

  #hear(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const length = bytes.readUInt32BE(at);
      const message = parseMessage(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
      if (message?.type === 'request') {
        expect(this.choking).toBe(false);
        this.pending.push(message.range);
        this.asked += 1;
      } else {
        // What is taken back was asked for; the peer answers it yet, with the block or without.
        expect(message?.type).toBe('cancel');
        expect(this.fast).toBe(true);
      }
    }
  }

  want(pieces: readonly number[]): void {
    for (const piece of pieces) this.wanted.add(piece);
    this.queue.want(image.open, pieces);
  }

  unwant(pieces: readonly number[]): void {
    for (const piece of pieces) this.wanted.delete(piece);
    this.queue.unwant(pieces);
  }

  choke(): void {
    this.choking = true;
    if (!this.fast) {
      this.late = this.pending;
      this.pending = [];
    }
    this.queue.onChoke();
    expect(this.wanted.size).toBe(0);
  }

  unchoke(): void {
    if (!this.choking) return;
    this.choking = false;
    this.late = [];
    this.queue.onUnchoke();
  }

  reject(at: number): void {
    const [range] = this.pending.splice(at % this.pending.length, 1);
    if (range !== undefined) this.queue.onReject(range);
  }

  /** Sends a block; `midway` is done when half of it is sent. */
  answer(at: number, midway: () => void = () => undefined): void {
    const [range] = this.pending.splice(at % this.pending.length, 1);
    if (range !== undefined) this.#send(range, midway);
  }

  answerLate(at: number): void {
    const [range] = this.late.splice(at % this.late.length, 1);
    if (range !== undefined) this.#send(range, () => undefined);
  }

  #send(range: BlockRange, midway: () => void): void {
    const { piece, beginBytes, lengthBytes } = range;
    const data = image.contentOf(piece).subarray(beginBytes, beginBytes + lengthBytes);
    this.queue.onBlock(piece, beginBytes, lengthBytes);
    this.queue.onBlockBytes(data.subarray(0, lengthBytes >> 1));
    midway();
    this.queue.onBlockBytes(data.subarray(lengthBytes >> 1));
  }

  /** A block that was not asked for, of whatever piece. */
  expectRefusesOthers(): void {
    const known = new Set([...this.pending, ...this.late].map(keyOf));
    for (const piece of [0, 6, 7, 9_999]) {
      const range = { piece, beginBytes: 0, lengthBytes: 16 * kib };
      if (known.has(keyOf(range))) continue;
      if (this.fast) {
        expect(() => {
          this.queue.onReject(range);
        }).toThrow(PeerError);
        expect(() => {
          this.queue.onBlock(piece, 0, 16 * kib);
        }).toThrow(PeerError);
      }
    }
  }

  /** Everything under way is answered, then all is as at the start. */
  expectSettles(): void {
    while (this.pending.length > 0) this.answer(0);
    this.unchoke();
    while (this.pending.length > 0) this.answer(0);
    expect([...this.wanted]).toEqual([]);
    expect(this.pool.taken).toBe(0);
    this.queue.maxRequestBytes = 16 * kib;
    this.asked = 0;
    this.want(freshPieces);
    expect(this.asked * 16 * kib).toBe(this.queue.window.bytes);
    this.expectRefusesOthers();
    this.queue.close();
    expect(this.pool.taken).toBe(0);
  }
}

const somePieces = fc.uniqueArray(fc.nat(usedPieces - 1), { maxLength: usedPieces });
const anyStep = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('want' as const), pieces: somePieces }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unwant' as const), pieces: somePieces }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('answer' as const), at: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('answerWhile' as const),
      at: fc.nat(),
      want: somePieces,
      unwant: somePieces,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reject' as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('late' as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('choke' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unchoke' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('others' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('requestBytes' as const),
      kib: fc.constantFrom(0, 16, 40, 64, 256),
    }),
  },
);

describe.each([true, false])('whatever happens (fast extension: %s)', (fast) => {
  test('each piece wanted has one end, nothing stays in flight, and no memory is kept', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
        const talk = new Conversation(fast);
        talk.unchoke();
        for (const step of steps) {
          if (step.type === 'want') talk.want(step.pieces);
          else if (step.type === 'unwant') talk.unwant(step.pieces);
          else if (step.type === 'answer') talk.answer(step.at);
          else if (step.type === 'answerWhile') {
            talk.answer(step.at, () => {
              talk.unwant(step.unwant);
              talk.want(step.want);
            });
          } else if (step.type === 'reject' && fast) talk.reject(step.at);
          else if (step.type === 'late') talk.answerLate(step.at);
          else if (step.type === 'choke') talk.choke();
          else if (step.type === 'unchoke') talk.unchoke();
          else if (step.type === 'others') talk.expectRefusesOthers();
          else if (step.type === 'requestBytes') talk.queue.maxRequestBytes = step.kib * kib;
        }
        talk.expectSettles();
      }),
      { numRuns: 150 },
    );
  });
});

test('a piece that is wanted and taken back twice may be answered twice', () => {
  const talk = new Conversation(true);
  talk.unchoke();
  for (let time = 0; time < 2; time++) {
    talk.want([5]);
    talk.unwant([5]);
  }
  talk.expectSettles();
});

test('a choke makes void what was taken back before it, too', () => {
  const talk = new Conversation(false);
  talk.unchoke();
  talk.want([0]);
  talk.unwant([0]);
  talk.choke();
  talk.expectSettles();
});

test('nothing is asked for before the peer answers requests', () => {
  const talk = new Conversation(true);
  talk.want([0, 1]);
  expect(talk.asked).toBe(0);
  talk.unchoke();
  expect(talk.asked).toBe(8);
});

test('never are more requests under way than the peer lets wait', () => {
  const talk = new Conversation(true);
  talk.queue.peerQueue = 3;
  talk.unchoke();
  talk.want(freshPieces);
  for (let count = 0; count < 40; count++) {
    expect(talk.pending.length).toBeLessThanOrEqual(3);
    talk.answer(count);
  }
  expect(talk.complete.length).toBeGreaterThan(5);
});

test('an image that counts for less has less under way', () => {
  const talk = new Conversation(true);
  talk.unchoke();
  image.open.share = 0.25;
  talk.want(freshPieces);
  image.open.share = 1;
  expect(talk.asked * 16 * kib).toBe(talk.queue.window.bytes / 4);
});

describe('a block that was not asked for is refused', () => {
  const refused = (talk: Conversation, piece: number, begin: number, length: number) => {
    expect(() => {
      talk.queue.onBlock(piece, begin, length);
    }).toThrow('a block that nobody asked for');
  };

  test('also of a piece that was', () => {
    const talk = new Conversation(true);
    talk.unchoke();
    talk.want([0]);
    refused(talk, 0, 0, 16 * kib + 1);
    refused(talk, 0, 0, 16 * kib - 1);
    refused(talk, 0, 1, 16 * kib);
    refused(talk, 0, pieceSizeBytes, 16 * kib);
    refused(talk, 1, 0, 16 * kib);
  });

  test('also when it was sent before', () => {
    const talk = new Conversation(true);
    talk.unchoke();
    talk.want([0]);
    const { piece, beginBytes, lengthBytes } = talk.pending[0] ?? {
      piece: 0,
      beginBytes: 0,
      lengthBytes: 0,
    };
    talk.answer(0);
    refused(talk, piece, beginBytes, lengthBytes);
  });
});

test('a queue that is closed in the middle of a block gives all memory back', () => {
  const talk = new Conversation(true);
  talk.unchoke();
  talk.want([0, 1]);
  talk.answer(0);
  talk.answer(5);
  talk.answer(0, () => {
    talk.queue.close();
    expect(talk.pool.taken).toBe(0);
  });
});
