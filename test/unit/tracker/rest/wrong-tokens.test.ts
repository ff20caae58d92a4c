import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WrongTokens } from '../../../../tracker/rest/index.ts';

const init = { burst: 3, refillMs: 10, maxAddresses: 2 };

test('no address gets through more than the burst and what was refilled since', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(15), { maxLength: 80 }), (pauses) => {
      let nowMs = 0;
      const wrong = new WrongTokens({ monotonicMs: () => nowMs }, init);
      let taken = 0;
      for (const pause of pauses) {
        nowMs += pause;
        const waitMs = wrong.waitMs('192.0.2.1');
        expect(waitMs).toBeLessThanOrEqual(init.refillMs);
        if (waitMs > 0) continue;
        wrong.note('192.0.2.1');
        taken += 1;
        expect(taken).toBeLessThanOrEqual(init.burst + nowMs / init.refillMs);
      }
    }),
  );
});

test('who waits as long as it is told gets through', () => {
  let nowMs = 5;
  const wrong = new WrongTokens({ monotonicMs: () => nowMs }, init);
  for (let tries = 0; tries < init.burst; tries++) wrong.note('192.0.2.1');
  nowMs += 4;
  const waitMs = wrong.waitMs('192.0.2.1');
  expect(waitMs).toBe(6);
  nowMs += waitMs - 1;
  expect(wrong.waitMs('192.0.2.1')).toBe(1);
  nowMs += 1;
  expect(wrong.waitMs('192.0.2.1')).toBe(0);
});

test('IPv4 in IPv6 dress is the same address, and a /64 network is one', () => {
  const wrong = new WrongTokens({ monotonicMs: () => 0 }, { ...init, maxAddresses: 10 });
  for (let tries = 0; tries < init.burst; tries++) {
    wrong.note('::ffff:192.0.2.1');
    wrong.note(`2001:db8::${tries + 1}`);
  }
  expect(wrong.waitMs('192.0.2.1')).toBeGreaterThan(0);
  expect(wrong.waitMs('192.0.2.2')).toBe(0);
  expect(wrong.waitMs('2001:db8::ffff')).toBeGreaterThan(0);
  expect(wrong.waitMs('2001:db8:0:1::1')).toBe(0);
});

test('only so many addresses are known: who was wrong longest ago is forgotten', () => {
  const wrong = new WrongTokens({ monotonicMs: () => 0 }, init);
  const fill = (address: string) => {
    for (let tries = 0; tries < init.burst; tries++) wrong.note(address);
  };
  fill('192.0.2.1');
  fill('192.0.2.2');
  wrong.note('192.0.2.1');
  fill('192.0.2.3');
  const waiting = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((one) => wrong.waitMs(one) > 0);
  expect(waiting).toEqual([true, false, true]);
});
