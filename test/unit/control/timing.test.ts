import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from '../../../src/control/backoff.ts';
import { renewalDelayMs } from '../../../src/control/credential-renewal.ts';
import { RateLimit } from '../../../src/control/rate-limit.ts';
import { ReportBox } from '../../../src/control/report-box.ts';

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('pauses grow up to the most, each within half of its mean', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fraction, (failures, random) => {
      const pause = backoffMs(failures, random, { firstMs: 100, mostMs: 30_000 });
      const mean = Math.min(30_000, 100 * 2 ** Math.min(failures - 1, 30));
      expect(pause).toBeGreaterThanOrEqual(mean / 2);
      expect(pause).toBeLessThanOrEqual(mean * 1.5);
    }),
  );
});

test('a credential is renewed at about half of its life, and at once when that is past', () => {
  const issuedMs = Date.parse('2026-01-01T00:00:00Z');
  fc.assert(
    fc.property(fc.integer({ min: 1_000, max: 1e10 }), fraction, fraction, (life, at, random) => {
      const claims = {
        ...{ peerId: '', roles: [], apps: [], labels: {} },
        issuedAt: new Date(issuedMs).toISOString(),
        expiresAt: new Date(issuedMs + life).toISOString(),
      };
      const nowMs = issuedMs + at * life;
      const due = nowMs + renewalDelayMs(claims, { nowMs, random, hasAsked: false });
      expect(due).toBeGreaterThanOrEqual(issuedMs + 0.4 * life - 1);
      expect(due).toBeLessThanOrEqual(Math.max(nowMs, issuedMs + 0.6 * life + 1));
    }),
  );
});

test('a rate limit never lets more pass than its burst and its rate, for each key, in bounded memory', () => {
  const steps = fc.array(fc.tuple(fc.nat(3), fc.nat(2_000)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (asked) => {
      let nowMs = 0;
      const limit = new RateLimit({ uptime: () => nowMs }, { perSecond: 2, burst: 3, maxKeys: 8 });
      const passed = new Map<number, number>();
      for (const [key, waitMs] of asked) {
        nowMs += waitMs;
        if (limit.take(String(key))) passed.set(key, (passed.get(key) ?? 0) + 1);
      }
      for (const count of passed.values())
        expect(count).toBeLessThanOrEqual(3 + (nowMs / 1_000) * 2);
    }),
  );
});

test('who asked the longest ago is forgotten first', () => {
  const limit = new RateLimit({ uptime: () => 0 }, { perSecond: 1, burst: 1, maxKeys: 2 });
  expect(['a', 'b', 'a', 'c'].map((key) => limit.take(key))).toEqual([true, true, false, true]);
  expect(['a', 'b'].map((key) => limit.take(key))).toEqual([false, true]);
});

test('of more channels than are kept, the oldest are left out', () => {
  const box = new ReportBox();
  const numbers = { number: 1, epoch: 0, acted: 0 };
  for (let index = 0; index < 300; index++) {
    box.put({ app: 'web', channel: `c${index}`, state: 'healthy', ...numbers });
  }
  const sent = box.take();
  expect(sent).toHaveLength(256);
  expect(sent[0]?.channel).toBe('c44');
  expect(box.take()).toEqual([]);
});
