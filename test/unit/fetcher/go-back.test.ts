import { describe, expect, test } from 'vitest';
import type { Generation } from '../../../fetcher/generation-record.ts';
import { generationBefore, prunable } from '../../../fetcher/go-back.ts';

function generation(
  number: number,
  state: Generation['state'] = 'healthy',
  before?: number,
): Generation {
  return {
    number,
    state,
    imageId: `bimage${number}`,
    app: 'web',
    channel: 'stable',
    release: number,
    version: '1',
    createdAt: '2026-01-01T00:00:00.000Z',
    ...(before === undefined ? {} : { before }),
  };
}

describe('the generation to go back to', () => {
  test('is the one that was current when this one was made', () => {
    const all = [generation(1), generation(2), generation(3), generation(4, 'created', 2)];
    expect(generationBefore(generation(4, 'created', 2), all)?.number).toBe(2);
  });

  test('is one further back when that one is not healthy', () => {
    const all = [generation(1), generation(2), generation(3, 'failed', 1)];
    expect(generationBefore(generation(4, 'created', 3), all)?.number).toBe(1);
  });

  test('is the newest healthy one below when the one before is gone', () => {
    const all = [generation(1), generation(2), generation(5)];
    expect(generationBefore(generation(4, 'created', 3), all)?.number).toBe(2);
  });

  test('is of another image, also when this one was activated twice in a row', () => {
    const twice = { ...generation(3, 'healthy', 2), imageId: 'bimage2' };
    expect(
      generationBefore(twice, [generation(1), generation(2, 'healthy', 1), twice])?.number,
    ).toBe(1);
    expect(generationBefore(twice, [generation(2), twice])).toBeUndefined();
  });

  test('is none when there is no healthy one, and a circle in the records ends', () => {
    const all = [generation(1, 'failed', 2), generation(2, 'failed', 1)];
    expect(generationBefore(generation(2, 'failed', 1), all)).toBeUndefined();
  });
});

test('what may be removed leaves the newest, the current and the one to go back to', () => {
  const all = [1, 2, 3, 4, 5, 6].map((number) => generation(number));
  const numbers = (keep: number, current: Generation | undefined): number[] =>
    prunable(all, current, keep).map(({ number }) => number);
  expect(numbers(2, generation(3, 'healthy', 1))).toEqual([2, 4]);
  expect(numbers(0, generation(6))).toEqual([1, 2, 3, 4]);
  expect(numbers(9, generation(6))).toEqual([]);
  expect(numbers(1, undefined)).toEqual([1, 2, 3, 4, 5]);
});
