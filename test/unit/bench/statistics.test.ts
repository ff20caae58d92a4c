import { describe, expect, test } from 'vitest';
import { median, ratiosByRound, spreadOf, toDigits } from '../../../bench/report/index.ts';

describe('a median', () => {
  test('is the middle one, in whatever order they come', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([7])).toBe(7);
  });

  test('of an even number is the mean of the two in the middle', () => {
    expect(median([10, 1, 2, 4])).toBe(3);
  });

  test('of nothing is refused, and so is a spread', () => {
    expect(() => median([])).toThrow(RangeError);
    expect(() => spreadOf([])).toThrow(RangeError);
  });

  test('leaves what it was given as it was', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('ratios', () => {
  test('are of the same round, where both have one', () => {
    const ours = new Map([
      [0, 200],
      [1, 90],
      [2, 300],
    ]);
    const theirs = new Map([
      [0, 100],
      [2, 100],
      [3, 50],
    ]);
    expect(ratiosByRound(ours, theirs)).toEqual([2, 3]);
  });

  test('are none over nothing', () => {
    expect(ratiosByRound(new Map([[0, 1]]), new Map([[0, 0]]))).toEqual([]);
  });
});

test('digits that mean nothing are left out', () => {
  expect(toDigits(1_234.567, 4)).toBe(1_235);
  expect(toDigits(0.012_345, 2)).toBe(0.012);
});
