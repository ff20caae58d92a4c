import fc from 'fast-check';
import { expect, test } from 'vitest';
import { announceIntervalFor, AnnouncePace } from '../../../tracker/announce-interval.ts';

const limits = {
  announceIntervalMs: 30_000,
  maxAnnounceIntervalMs: 900_000,
  targetAnnounceRate: 1_000,
};
const rate = fc.double({ min: 0, max: 1e6, noNaN: true });
const told = fc.integer({ min: 1_000, max: 3_600_000 });

test('the interval is within its bounds, and long enough for the target where they allow it', () => {
  fc.assert(
    fc.property(rate, told, (announcesPerSecond, toldMs) => {
      const intervalMs = announceIntervalFor({ announcesPerSecond, toldMs }, limits);
      expect(intervalMs).toBeGreaterThanOrEqual(limits.announceIntervalMs);
      expect(intervalMs).toBeLessThanOrEqual(limits.maxAnnounceIntervalMs);
      const peers = (announcesPerSecond * toldMs) / 1_000;
      const follows = peers / (intervalMs / 1_000);
      if (intervalMs < limits.maxAnnounceIntervalMs) {
        expect(follows).toBeLessThanOrEqual(limits.targetAnnounceRate * 1.000_001);
      }
      // No longer than it must be: by a quarter, and a second to make it whole.
      if (intervalMs > limits.announceIntervalMs) {
        expect(peers).toBeGreaterThan(((intervalMs - 1_000) / 1_250) * limits.targetAnnounceRate);
      }
    }),
  );
});

test('more announces never make it shorter', () => {
  fc.assert(
    fc.property(rate, rate, told, (one, other, toldMs) => {
      const of = (announcesPerSecond: number) =>
        announceIntervalFor({ announcesPerSecond, toldMs }, limits);
      expect(of(Math.max(one, other))).toBeGreaterThanOrEqual(of(Math.min(one, other)));
    }),
  );
});

test('there are few intervals, since there is a list for each', () => {
  const all = new Set<number>();
  for (let peers = 0; peers < 2e6; peers += 500) {
    const load = { announcesPerSecond: peers / 30, toldMs: 30_000 };
    all.add(announceIntervalFor(load, limits));
  }
  expect(all.size).toBeLessThan(20);
});

test('a maximum below the usual interval leaves the usual one', () => {
  const low = { ...limits, maxAnnounceIntervalMs: 1_000 };
  expect(announceIntervalFor({ announcesPerSecond: 1e6, toldMs: 30_000 }, low)).toBe(30_000);
});

/** Peers that announce when they were told to, evenly, for so many seconds. */
function simulate(pace: AnnouncePace, startMs: number, seconds: number, peers: number): number[] {
  let next = Array.from({ length: peers }, (_, index) => ({
    atMs: startMs + (index * 30_000) / peers,
    toldMs: 30_000,
  }));
  const rates: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const endMs = startMs + second * 1_000 + 1_000;
    let announces = 0;
    next = next.map((peer) => {
      if (peer.atMs >= endMs) return peer;
      announces++;
      pace.count(peer.toldMs);
      const toldMs = pace.intervalMs(peer.atMs);
      return { atMs: peer.atMs + toldMs, toldMs };
    });
    rates.push(announces);
  }
  return rates;
}

test('under load the rate comes down to the target and stays there; in quiet the interval is short again', () => {
  const pace = new AnnouncePace({ ...limits, targetAnnounceRate: 100, progressIntervalMs: 2_000 });
  const rates = simulate(pace, 0, 600, 9_000);
  expect(rates[10]).toBeGreaterThan(250);
  const late = rates.slice(300);
  expect(late.reduce((sum, one) => sum + one, 0) / late.length).toBeLessThan(110);
  const { intervalMs } = pace.load(600_000);
  expect(intervalMs).toBeGreaterThan(60_000);
  expect(intervalMs).toBeLessThan(180_000);
  expect(pace.intervalMs(1_200_000)).toBe(30_000);
  expect(pace.load(1_200_000).announcesPerSecond).toBeLessThan(2);
});
