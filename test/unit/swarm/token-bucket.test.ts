import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../../src/swarm/token-bucket.ts';

function bucketOf(rateBytesPerSecond: number, burstSeconds = 0.05) {
  const clock = { ms: 1_000 };
  const bucket = new TokenBucket({ now: () => clock.ms }, { rateBytesPerSecond, burstSeconds });
  return { bucket, clock };
}

test('without a limit nobody waits', () => {
  const { bucket } = bucketOf(Infinity);
  expect(bucket.take(1e15)).toBe(0);
});

test('a short burst is free, and then each byte has its time', () => {
  const { bucket, clock } = bucketOf(1_000_000);
  expect(bucket.take(50_000)).toBe(0);
  expect(bucket.take(10_000)).toBe(10);
  expect(bucket.take(10_000)).toBe(20);
  clock.ms += 20;
  expect(bucket.take(5_000)).toBe(5);
});

test('a long pause does not save up for more than a burst', () => {
  const { bucket, clock } = bucketOf(1_000_000);
  clock.ms += 3_600_000;
  expect(bucket.take(50_000)).toBe(0);
  expect(bucket.take(1_000)).toBe(1);
});

test('who waits as told never gets more than the rate and one burst, in any window', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 50 });
  const rates = fc.integer({ min: 1_000, max: 100_000_000 });
  fc.assert(
    fc.property(rates, sizes, (rate, takes) => {
      const { bucket, clock } = bucketOf(rate);
      const startMs = clock.ms;
      let taken = 0;
      for (const size of takes) {
        clock.ms += bucket.take(size);
        taken += size;
        const allowed = rate * ((clock.ms - startMs) / 1_000 + 0.05);
        expect(taken).toBeLessThanOrEqual(allowed * (1 + 1e-9) + 1);
      }
      // And it is not slower than the rate by more than the rounding of each wait.
      const neededMs = (taken / rate) * 1_000;
      expect(clock.ms - startMs).toBeLessThanOrEqual(neededMs + takes.length + 1);
    }),
  );
});

test('the rate can be changed while it is in use, in both directions', () => {
  const { bucket, clock } = bucketOf(Infinity);
  bucket.rateBytesPerSecond = 1_000;
  expect(bucket.take(50)).toBe(0);
  expect(bucket.take(1_000)).toBe(1_000);
  bucket.rateBytesPerSecond = 10_000;
  expect(bucket.take(0)).toBe(100);
  clock.ms += 100;
  expect(bucket.take(0)).toBe(0);
  bucket.rateBytesPerSecond = Infinity;
  expect(bucket.take(1e12)).toBe(0);
  expect(bucket.rateBytesPerSecond).toBe(Infinity);
});
