import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IndexSampler } from '../../../tracker/index-sampler.ts';
import { seededRandom } from './seeded-random.ts';

test('a sample has as many different indices below the count as were wanted', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.nat(300), fc.integer(), (count, wanted, seed) => {
      const sample = new IndexSampler(seededRandom(seed)).sample(count, wanted);
      expect(sample).toHaveLength(Math.min(count, wanted));
      expect(new Set(sample).size).toBe(sample.length);
      for (const index of sample) expect(index >= 0 && index < count).toBe(true);
    }),
  );
});

test('every index is drawn as often as any other, at every place of the sample', () => {
  const sampler = new IndexSampler(seededRandom(7));
  const drawn = Array.from({ length: 3 }, () => Array.from({ length: 10 }, () => 0));
  for (let round = 0; round < 30_000; round++) {
    for (const [place, index] of sampler.sample(10, 3).entries()) {
      const counts = drawn[place] ?? [];
      counts[index] = (counts[index] ?? 0) + 1;
    }
  }
  // 3,000 expected; 5 standard deviations are 260.
  for (const count of drawn.flat()) expect(Math.abs(count - 3_000)).toBeLessThan(260);
});

test('the same random numbers draw the same sample', () => {
  const draw = () => new IndexSampler(seededRandom(42)).sample(1_000, 20);
  expect(draw()).toEqual(draw());
});
