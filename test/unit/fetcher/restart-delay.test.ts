import { expect, test } from 'vitest';
import { restartDelayMs } from '../../../fetcher/restart-delay.ts';

const config = { firstDelayMs: 200, maxDelayMs: 30_000, resetAfterMs: 60_000 };

test('the longest wait doubles up to its limit', () => {
  const longest = [0, 1, 2, 7, 8, 1_000].map((attempt) => restartDelayMs(attempt, 1, config));
  expect(longest).toEqual([200, 400, 800, 25_600, 30_000, 30_000]);
});

test('the wait is any part of the longest one', () => {
  expect(restartDelayMs(3, 0, config)).toBe(0);
  expect(restartDelayMs(3, 0.25, config)).toBe(400);
});
