import fc from 'fast-check';
import { expect, test } from 'vitest';
import { originAsker } from '../../../src/policy/origin.ts';
import { OriginLedger, type OriginLease } from '../../../src/policy/origin-ledger.ts';

const sizeBytes = 120 << 20;
const leaseMs = 30_000;
const open = (init: { askers?: number; copies?: number } = {}) =>
  new OriginLedger({ askers: init.askers ?? 3, budget: { copies: init.copies ?? 1.5 }, leaseMs });

const lease = (ledger: OriginLedger, host: string, takenBytes = 0, nowMs = 0): OriginLease => {
  const answer = ledger.ask({ host, sizeBytes, takenBytes }, nowMs);
  if ('slot' in answer) return answer;
  throw new Error(`${host} has to wait ${answer.waitMs} ms`);
};

test('as many hosts as there are askers hold a lease; the others wait', () => {
  const ledger = open();
  expect(['a', 'b', 'c'].map((host) => lease(ledger, host).slot)).toEqual([0, 1, 2]);
  expect(ledger.ask({ host: 'd', sizeBytes, takenBytes: 0 }, 0)).toEqual({ waitMs: 15_000 });
  expect(lease(ledger, 'a').slots).toEqual([0, 1, 2]);
});

test('an answer that was lost is given again, and grants no more', () => {
  const ledger = open();
  const first = lease(ledger, 'a', 1_000);
  expect(lease(ledger, 'a', 1_000)).toEqual({ ...first });
  expect(ledger.chargedBytes).toBe(first.bytes);
});

test('the slot of a silent host is free when its lease is over, and what it was granted counts', () => {
  const ledger = open({ askers: 1 });
  const { bytes } = lease(ledger, 'a');
  expect(lease(ledger, 'b', 0, leaseMs + 1).slot).toBe(0);
  expect(ledger.chargedBytes).toBe(2 * bytes);
});

test('what a host gives back can be granted to others', () => {
  const ledger = open({ askers: 1 });
  lease(ledger, 'a');
  ledger.giveBack({ host: 'a', sizeBytes, takenBytes: 1_000 });
  expect(ledger.chargedBytes).toBe(1_000);
  expect(lease(ledger, 'b').slot).toBe(0);
});

test('a host that comes back goes on with what it had been granted', () => {
  const ledger = open({ askers: 1 });
  const { bytes } = lease(ledger, 'a');
  const again = lease(ledger, 'a', 5, 2 * leaseMs);
  expect(again.bytes).toBe(bytes + 5);
  expect(ledger.chargedBytes).toBe(bytes + 5);
});

test('while nobody knows the size, a lease is for the metadata alone', () => {
  const ledger = open();
  expect(ledger.ask({ host: 'a', sizeBytes: 0, takenBytes: 0 }, 0)).toMatchObject({ bytes: 0 });
  expect(lease(ledger, 'a').bytes).toBeGreaterThan(0);
});

test('what living hosts have taken counts after a restart, when they say so', () => {
  const ledger = open();
  ledger.giveBack({ host: 'seed', sizeBytes, takenBytes: sizeBytes });
  expect(ledger.chargedBytes).toBe(sizeBytes);
  expect(lease(ledger, 'b').bytes).toBe(Math.ceil(sizeBytes / 12));
});

test('hosts that only wait are not kept', () => {
  const ledger = open({ copies: 0.001 });
  lease(ledger, 'a');
  for (let host = 0; host < 2_000; host++) {
    ledger.ask({ host: `h${host}`, sizeBytes, takenBytes: 0 }, 0);
  }
  expect(ledger.chargedBytes).toBe(ledger.budgetBytes);
});

interface Host {
  taken: number;
  /** What it believes: its limit, and until when. */
  limit: number;
  untilMs: number;
}

const hostCount = 8;
const anyStep = fc.record({
  host: fc.nat(hostCount - 1),
  what: fc.constantFrom('ask', 'lost', 'take', 'give', 'die'),
  passMs: fc.constantFrom(0, 100, 5_000, 16_000, 40_000),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
});

test('over any joins, deaths and expiries hosts never take more than the budget', () => {
  const copies = fc.constantFrom(0.1, 1, 1.5);
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), copies, (steps, budget) => {
      const ledger = open({ copies: budget });
      const hosts = new Map<string, Host>();
      let gone = 0;
      let lives = 0;
      let nowMs = 0;
      const names = Array.from({ length: hostCount }, (_, index) => `host ${index}`);
      for (const { host: index, what, passMs, share } of steps) {
        nowMs += passMs;
        const name = names[index] ?? '';
        const host = hosts.get(name) ?? { taken: 0, limit: 0, untilMs: 0 };
        hosts.set(name, host);
        const report = { host: name, sizeBytes, takenBytes: host.taken };
        if (what === 'ask' || what === 'lost') {
          const answer = ledger.ask(report, nowMs);
          if (what === 'ask' && 'slot' in answer) {
            Object.assign(host, { limit: answer.bytes, untilMs: answer.expiresMs });
            for (let run = 0; run < 20; run++) {
              expect(answer.slots).toContain(originAsker(run, answer.slots));
            }
            expect(new Set(answer.slots).size).toBe(answer.slots.length);
            expect(answer.slots).toContain(answer.slot);
          }
        } else if (what === 'take' && host.untilMs > nowMs) {
          host.taken += Math.floor((host.limit - host.taken) * share);
        } else if (what === 'give') {
          host.untilMs = 0;
          ledger.giveBack(report);
        } else if (what === 'die') {
          // The same machine comes back with another name.
          gone += host.taken;
          hosts.delete(name);
          names[index] = `host ${index} in life ${++lives}`;
        }
        const taken = [...hosts.values()].reduce((sum, each) => sum + each.taken, gone);
        expect(ledger.chargedBytes).toBeLessThanOrEqual(ledger.budgetBytes);
        expect(taken).toBeLessThanOrEqual(ledger.chargedBytes);
        expect(ledger.slots(nowMs).length).toBeLessThanOrEqual(3);
      }
    }),
    { numRuns: 300 },
  );
});
