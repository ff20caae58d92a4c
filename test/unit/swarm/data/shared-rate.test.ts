import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';

/** What may be taken at once after a pause, in milliseconds of the rate. */
const burstMs = 50;

test('all that was taken is paid for at the rate, whoever takes it', () => {
  const takes = fc.array(fc.record({ who: fc.nat(3), bytes: fc.nat(1_000_000) }), {
    minLength: 1,
    maxLength: 60,
  });
  const rates = fc.integer({ min: 1_000, max: 100_000_000 });
  fc.assert(
    fc.property(rates, takes, (rate, list) => {
      const memory = SharedRate.create(rate);
      const takers = Array.from({ length: 4 }, () => new SharedRate(memory));
      const fromMs = performance.now();
      let costMs = 0;
      for (const { who, bytes } of list) {
        const waitMs = takers[who]?.take(bytes) ?? 0;
        const tookMs = performance.now() - fromMs;
        costMs += (bytes / rate) * 1_000;
        // Whatever time went by meanwhile has paid for some of it; there is no credit beyond that.
        const slackMs = 0.01 * list.length;
        expect(waitMs).toBeLessThanOrEqual(Math.max(0, costMs - burstMs) + slackMs);
        expect(waitMs).toBeGreaterThanOrEqual(Math.max(0, costMs - burstMs - tookMs - slackMs));
      }
    }),
    { numRuns: 200 },
  );
});

test('who takes later waits behind who took before', () => {
  const memory = SharedRate.create(1_000);
  const [one, other] = [new SharedRate(memory), new SharedRate(memory)];
  const first = one.take(10_000);
  const second = other.take(10_000);
  expect(first).toBeGreaterThan(9_000);
  expect(second - first).toBeGreaterThan(9_000);
});

test('without a limit nobody waits, and a limit is put on and taken off while in use', () => {
  const memory = SharedRate.create(Infinity);
  const [one, other] = [new SharedRate(memory), new SharedRate(memory)];
  expect(one.take(1e12)).toBe(0);
  one.bytesPerSecond = 1_000;
  expect(other.bytesPerSecond).toBe(1_000);
  expect(other.take(100_000)).toBeGreaterThan(90_000);
  // What was taken under the old limit does not count under the new one.
  one.bytesPerSecond = 1_000_000;
  expect(other.take(1_000)).toBe(0);
  one.bytesPerSecond = Infinity;
  expect(other.take(1e12)).toBe(0);
});

test('nothing costs nothing', () => {
  const rate = new SharedRate(SharedRate.create(10));
  expect(rate.take(0)).toBe(0);
});

test('a wait is never longer than a timer can be', () => {
  const rate = new SharedRate(SharedRate.create(1));
  expect(rate.take(1e12)).toBe(2 ** 31 - 1);
});

test('who counts less lets as much more of others pass, and waits for nothing else', () => {
  const [rate, alone] = [SharedRate.create(1_000), SharedRate.create(1_000)].map(
    (memory) => new SharedRate(memory),
  );
  rate?.take(10_000);
  const waitMs = rate?.take(10_000, 1 / 4) ?? 0;
  expect(waitMs).toBeLessThanOrEqual(4 * 9_950 + 10_000);
  expect(waitMs).toBeGreaterThan(4 * 9_950 + 10_000 - 4_000);
  expect(alone?.take(10_000, 1 / 4)).toBeLessThanOrEqual(9_950);
});
