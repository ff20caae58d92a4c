import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  budgetBytes,
  originAsker,
  originRunPieces,
  originUse,
  type OriginNeed,
} from '../../../src/policy/origin.ts';

const need: OriginNeed = {
  lookedMs: 10_000,
  hasOtherSources: true,
  seeds: 0,
  swarmBytesPerSecond: 0,
  originBytesPerSecond: 0,
};

test('the origin is needed for what is missing when no seed is connected', () => {
  expect(originUse(need)).toBe('missing');
  expect(originUse({ ...need, swarmBytesPerSecond: 1e9 })).toBe('missing');
});

test('the origin is not needed while a seed is connected', () => {
  expect(originUse({ ...need, seeds: 1 })).toBe('nothing');
});

test('a seed that is slower than the origin was measured to be is helped', () => {
  const slow = { ...need, seeds: 1, swarmBytesPerSecond: 10, originBytesPerSecond: 20 };
  expect(originUse(slow)).toBe('rarest');
  expect(originUse({ ...slow, swarmBytesPerSecond: 30 })).toBe('nothing');
});

test('a host that has just come waits for the seeds, unless it has nobody to wait for', () => {
  expect(originUse({ ...need, lookedMs: 100 })).toBe('nothing');
  expect(originUse({ ...need, lookedMs: 0, hasOtherSources: false })).toBe('missing');
});

const anySlots = fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 8 });

test('each run has exactly one asker among the live slots, in whatever order they are known', () => {
  fc.assert(
    fc.property(fc.nat(1e6), anySlots, (run, slots) => {
      const asker = originAsker(run, slots);
      expect(slots.filter((slot) => slot === asker)).toHaveLength(1);
      expect(originAsker(run, [...slots].reverse())).toBe(asker);
    }),
  );
});

test('when a slot goes, only its own runs move', () => {
  fc.assert(
    fc.property(fc.nat(1e6), anySlots, fc.nat(), (run, slots, which) => {
      const gone = slots[which % slots.length];
      const asker = originAsker(run, slots);
      const left = slots.filter((slot) => slot !== gone);
      if (asker !== gone) expect(originAsker(run, left)).toBe(asker);
    }),
  );
});

test('no slot has much more to ask for than the others', () => {
  const counts = [0, 0, 0];
  for (let run = 0; run < 3_000; run++) {
    const slot = originAsker(run, [0, 1, 2]) ?? 0;
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(100);
});

test('runs are some 4 MiB, and at least 64 to an image where it has as many pieces', () => {
  expect(originRunPieces({ pieceSizeBytes: 256 << 10, pieceCount: 2_000 })).toBe(16);
  expect(originRunPieces({ pieceSizeBytes: 256 << 10, pieceCount: 128 })).toBe(2);
  expect(originRunPieces({ pieceSizeBytes: 16 << 20, pieceCount: 2_000 })).toBe(1);
  expect(originRunPieces({ pieceSizeBytes: 256 << 10, pieceCount: 3 })).toBe(1);
});

test('a budget is bytes, or copies of an image whose size is known', () => {
  expect(budgetBytes({ bytes: 5 }, 0)).toBe(5);
  expect(budgetBytes({ copies: 1.5 }, 100)).toBe(150);
  expect(budgetBytes({ copies: 1.5 }, 0)).toBe(0);
});
