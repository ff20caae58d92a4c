import { expect, test } from 'vitest';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';

const newRate = (bytesPerSecond: number) => new SharedRate(SharedRate.create(bytesPerSecond));

test('what is taken is paid for in time, in the order in which it was taken', () => {
  const rate = newRate(1_000);
  const waits = [1, 2, 3].map(() => rate.take(10_000));
  for (const [index, waitMs] of waits.entries()) {
    // A burst of 50 ms is free, and the test itself takes some time.
    expect(waitMs).toBeLessThanOrEqual((index + 1) * 10_000 - 50);
    expect(waitMs).toBeGreaterThan((index + 1) * 10_000 - 2_000);
  }
});

test('without a limit nothing waits', () => {
  expect(newRate(Infinity).take(1e12)).toBe(0);
});

test('another limit holds at once, and what was taken before it is forgotten', () => {
  const rate = newRate(1);
  rate.take(1_000_000);
  rate.bytesPerSecond = 1_000_000;
  expect(rate.bytesPerSecond).toBe(1_000_000);
  expect(rate.take(1_000_000)).toBeLessThanOrEqual(950);
  rate.bytesPerSecond = 1_000;
  expect(rate.take(1_000_000)).toBeGreaterThan(900_000);
});

test('a wait is never longer than a timer can be', () => {
  const waitMs = newRate(1).take(1e12);
  expect(waitMs).toBe(2 ** 31 - 1);
});

test('who counts less lets as much more of others pass, and waits for nothing else', () => {
  const [rate, alone] = [newRate(1_000), newRate(1_000)];
  rate.take(10_000);
  const waitMs = rate.take(10_000, 1 / 4);
  expect(waitMs).toBeLessThanOrEqual(4 * 9_950 + 10_000);
  expect(waitMs).toBeGreaterThan(4 * 9_950 + 10_000 - 4_000);
  expect(alone.take(10_000, 1 / 4)).toBeLessThanOrEqual(9_950);
});
