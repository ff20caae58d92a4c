import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BufferPool } from '../../../../src/swarm/data/buffer-pool.ts';
import { PieceTask } from '../../../../src/swarm/data/piece-task.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { flatImage } from './flat-image.ts';

const kib = 1 << 10;
const image = flatImage({
  pieceSizeBytes: 128 * kib,
  files: {
    large: seededBytes(1, 300 * kib + 7),
    exact: seededBytes(2, 128 * kib),
    small: seededBytes(3, 20_000),
    one: Buffer.from('x'),
  },
});
const anyPiece = fc.nat(image.layout.pieceCount - 1);
const anyRequestBytes = fc.constantFrom(16 * kib, 32 * kib, 64 * kib, 128 * kib, 256 * kib);

const taskOf = (piece: number, requestBytes: number) =>
  new PieceTask(
    { layout: image.open.layout, pool: new BufferPool({ limitBytes: 0 }) },
    { piece, requestBytes },
  );

/** All requests of a task, as ranges. */
function askAll(task: PieceTask) {
  const requests: number[] = [];
  for (let request = task.nextRequest(); request !== undefined; request = task.nextRequest()) {
    requests.push(request);
  }
  return requests;
}

/** Answers a request, cut into pieces of `cut` bytes. */
function answer(task: PieceTask, request: number, cut: number, data: Buffer): void {
  const { beginBytes, lengthBytes } = task.rangeOf(request);
  for (let at = 0; at < lengthBytes; at += cut) {
    const end = beginBytes + Math.min(lengthBytes, at + cut);
    task.put(request, at, data.subarray(beginBytes + at, end));
  }
  task.settle(request);
}

describe('the requests of a piece', () => {
  test('cover each byte of it once', () => {
    fc.assert(
      fc.property(anyPiece, anyRequestBytes, (piece, requestBytes) => {
        const task = taskOf(piece, requestBytes);
        const ranges = askAll(task).map((request) => task.rangeOf(request));
        let at = 0;
        for (const range of ranges) {
          expect(range).toMatchObject({ piece, beginBytes: at });
          expect(range.lengthBytes).toBeGreaterThan(0);
          at += range.lengthBytes;
        }
        expect(at).toBe(image.contentOf(piece).length);
        expect(task.inFlight).toBe(ranges.length);
        expect(task.askedRanges()).toEqual(ranges);
      }),
    );
  });

  test('are found by just their own range, and only while they are not answered', () => {
    const task = taskOf(0, 32 * kib);
    expect(task.requestAt(0, 32 * kib)).toBeUndefined();
    task.nextRequest();
    expect(task.requestAt(0, 32 * kib)).toBe(0);
    for (const [begin, length] of [
      [0, 16 * kib],
      [0, 32 * kib + 1],
      [1, 32 * kib],
      [32 * kib, 32 * kib],
      [-32 * kib, 32 * kib],
    ] as const) {
      expect(task.requestAt(begin, length)).toBeUndefined();
    }
    answer(task, 0, 1_000, image.contentOf(0));
    expect(task.requestAt(0, 32 * kib)).toBeUndefined();
  });
});

test('in whatever order its bytes come, a true piece is complete and true', () => {
  const order = fc.array(fc.nat(), { minLength: 8, maxLength: 8 });
  const cut = fc.integer({ min: 100, max: 40_000 });
  fc.assert(
    fc.property(anyPiece, anyRequestBytes, order, cut, (piece, requestBytes, picks, size) => {
      const task = taskOf(piece, requestBytes);
      const left = askAll(task);
      while (left.length > 0) {
        expect(task.isComplete).toBe(false);
        const [request] = left.splice((picks[left.length % 8] ?? 0) % left.length, 1);
        answer(task, request ?? 0, size, image.contentOf(piece));
      }
      expect(task.isComplete).toBe(true);
      expect(task.inFlight).toBe(0);
      expect(task.isTrue()).toBe(true);
      expect(task.detach().equals(image.contentOf(piece))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('one wrong bit anywhere makes a piece untrue', () => {
  fc.assert(
    fc.property(anyPiece, anyRequestBytes, fc.nat(), (piece, requestBytes, seed) => {
      const data = Buffer.from(image.contentOf(piece));
      const bit = seed % (data.length * 8);
      data[bit >> 3] = (data[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const task = taskOf(piece, requestBytes);
      for (const request of askAll(task)) answer(task, request, 16 * kib, data);
      expect(task.isComplete).toBe(true);
      expect(task.isTrue()).toBe(false);
    }),
    { numRuns: 40 },
  );
});

test('the content of another piece is not true, though it is of the image', () => {
  const task = taskOf(0, 128 * kib);
  for (const request of askAll(task)) answer(task, request, 128 * kib, image.contentOf(1));
  expect(task.isTrue()).toBe(false);
});

test('memory is taken when bytes come, and given back when it is discarded', () => {
  const pool = new BufferPool({ limitBytes: 1 << 20 });
  const task = new PieceTask(
    { layout: image.open.layout, pool },
    { piece: 0, requestBytes: 64 * kib },
  );
  task.nextRequest();
  const marked = pool.take(128 * kib);
  pool.give(marked);
  task.put(0, 0, Buffer.from('abc'));
  expect(pool.take(128 * kib).buffer).not.toBe(marked.buffer);
  task.discard();
  expect(pool.take(128 * kib).buffer).toBe(marked.buffer);
});
