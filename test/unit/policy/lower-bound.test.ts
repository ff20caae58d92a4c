import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lowerBound, type TransferPlan } from '../../../src/policy/lower-bound.ts';

const equal = (hosts: number, pieceCount = 100, rate = 25_000_000): TransferPlan => ({
  imageBytes: 100_000_000,
  pieceCount,
  hosts,
  seedUpBytesPerSecond: rate,
  hostUpBytesPerSecond: rate,
  hostDownBytesPerSecond: rate,
});

test('with equal rates it is that of Mundinger, Weber and Weiss', () => {
  expect(lowerBound(equal(1))).toBeCloseTo(4);
  expect(lowerBound(equal(2))).toBeCloseTo(4 * 1.01);
  expect(lowerBound(equal(8))).toBeCloseTo(4 * 1.03);
  expect(lowerBound(equal(9))).toBeCloseTo(4 * 1.03);
  expect(lowerBound(equal(8, 1))).toBeCloseTo(4 * 4);
  expect(lowerBound(equal(1_000))).toBeCloseTo(4 * 1.09);
});

test('it is bound by the slowest that all must pass: the seed, a host, or all uploads together', () => {
  const plan = equal(10);
  expect(lowerBound({ ...plan, seedUpBytesPerSecond: 1_000_000 })).toBeCloseTo(100);
  expect(lowerBound({ ...plan, hostDownBytesPerSecond: 2_000_000 })).toBeCloseTo(50);
  expect(lowerBound({ ...plan, hostUpBytesPerSecond: 0 })).toBeCloseTo(40);
});

test('nothing to send, or nobody to send to, takes no time', () => {
  expect(lowerBound(equal(0))).toBe(0);
  expect(lowerBound({ ...equal(5), imageBytes: 0 })).toBe(0);
});

test('without limits there is no bound, and it is a number all the same', () => {
  expect(lowerBound(equal(5, 10, Infinity))).toBe(0);
  expect(lowerBound(equal(5, 0))).toBeCloseTo(12);
});

test('more hosts or more bytes never take less time, higher rates or more pieces never more', () => {
  const rate = fc.integer({ min: 1_000, max: 1_000_000_000 });
  const anyPlan: fc.Arbitrary<TransferPlan> = fc.record({
    imageBytes: fc.integer({ min: 1, max: 1_000_000_000 }),
    pieceCount: fc.integer({ min: 1, max: 5_000 }),
    hosts: fc.integer({ min: 1, max: 10_000 }),
    seedUpBytesPerSecond: rate,
    hostUpBytesPerSecond: rate,
    hostDownBytesPerSecond: rate,
  });
  fc.assert(
    fc.property(anyPlan, (plan) => {
      const bound = lowerBound(plan);
      const with_ = (change: Partial<TransferPlan>) => lowerBound({ ...plan, ...change });
      expect(with_({ hosts: plan.hosts * 2 })).toBeGreaterThanOrEqual(bound);
      expect(with_({ imageBytes: plan.imageBytes * 2 })).toBeGreaterThanOrEqual(bound);
      for (const key of [
        'pieceCount',
        'seedUpBytesPerSecond',
        'hostUpBytesPerSecond',
        'hostDownBytesPerSecond',
      ] as const) {
        expect(with_({ [key]: plan[key] * 2 })).toBeLessThanOrEqual(bound);
      }
      expect(bound).toBeGreaterThanOrEqual(plan.imageBytes / plan.seedUpBytesPerSecond);
    }),
  );
});
