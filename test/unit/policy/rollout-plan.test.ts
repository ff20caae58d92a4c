import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkPlan,
  defaultRolloutPlan,
  parseAmount,
  parsePlan,
  sizeOf,
} from '../../../src/policy/index.ts';
import { isTooMany, waveSizes } from '../../../src/policy/rollout-plan.ts';
import { isWindowOpen, nextOpeningMs } from '../../../src/policy/rollout-window.ts';

test('a plan is read from its text, and what it does not say is the default', () => {
  expect(parsePlan('')).toEqual(defaultRolloutPlan);
  const text =
    'waves=1,10%,50%,100% max-unavailable=3 gate=90s deadline=1h abort-on=2.5% go-back=no';
  expect(parsePlan(text)).toEqual({
    waves: [{ count: 1 }, { percent: 10 }, { percent: 50 }, { percent: 100 }],
    maxUnavailable: { count: 3 },
    gateMs: 90_000,
    deadlineMs: 3_600_000,
    abortOn: { percent: 2.5 },
    goBackOnAbort: false,
    windows: [],
  });
});

test.each([
  ['waves=1,10%', /last wave is 100%/],
  ['waves=100', /last wave is 100%/],
  ['waves=50%,10%,100%', /larger than the one before/],
  ['waves=5,5,100%', /larger than the one before/],
  ['waves=0,100%', /"0" is not a number of hosts/],
  ['waves=101%', /"101%" is not/],
  ['max-unavailable=0%', /"0%" is not/],
  ['abort-on=-1', /"-1" is not/],
  ['gate=fast', /"fast" is not a time/],
  ['deadline=0s', /deadline of a rollout is from 1 s/],
  ['gate=31d', /up to 30d/],
  ['go-back=maybe', /neither yes nor no/],
  ['gate=1s gate=2s', /said twice/],
  ['__proto__=1', /is nothing that a rollout/],
  ['speed=1', /these are: waves/],
  ['window=zone:eu@Someday/02:00-03:00', /is not a window/],
  ['window=eu@Mon/02:00-03:00', /whom it is about/],
  ['window=*@Mon/25:00-26:00', /is not a window/],
])('%s is refused', (text, message) => {
  expect(() => parsePlan(text)).toThrow(message);
});

test('a plan that did not come from a text is checked as well', () => {
  expect(checkPlan(defaultRolloutPlan)).toBe(defaultRolloutPlan);
  for (const wrong of [
    { gateMs: -1 },
    { deadlineMs: NaN },
    { waves: [] },
    { abortOn: { percent: 0 } },
    { maxUnavailable: { count: 1.5 } },
  ]) {
    expect(() => checkPlan({ ...defaultRolloutPlan, ...wrong })).toThrow();
  }
});

// Nomad: percentages that became nothing on few hosts, or more than was asked.
test('a share is never more than asked, but for the one host that it is at least', () => {
  expect(sizeOf({ percent: 5 }, 10)).toBe(1);
  expect(sizeOf({ percent: 29 }, 100)).toBe(29);
  expect(sizeOf({ percent: 10 }, 0)).toBe(0);
  expect(sizeOf({ count: 7 }, 3)).toBe(3);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 100 }), (n, p) => {
      const size = sizeOf({ percent: p }, n);
      expect(size).toBeGreaterThanOrEqual(1);
      expect(size === 1 || size * 100 <= p * n).toBe(true);
      expect((size + 1) * 100).toBeGreaterThan(p * n);
    }),
  );
});

test('waves never shrink in a small fleet, and the last has everybody', () => {
  expect(waveSizes(parsePlan('waves=3,10%,100%'), 10)).toEqual([3, 3, 10]);
  expect(waveSizes(parsePlan('waves=1,10%,50%,100%'), 1)).toEqual([1, 1, 1, 1]);
});

test('failures are too many from the share or number that was said', () => {
  expect(isTooMany({ percent: 2 }, 0, 0)).toBe(false);
  expect(isTooMany({ percent: 2 }, 1, 1)).toBe(true);
  expect(isTooMany({ percent: 2 }, 1, 51)).toBe(false);
  expect(isTooMany({ percent: 2 }, 1, 50)).toBe(true);
  expect(isTooMany({ count: 2 }, 1, 1)).toBe(false);
  expect(isTooMany({ count: 2 }, 2, 1_000)).toBe(true);
});

test('a share is read with its sign', () => {
  expect(parseAmount('0.5%')).toEqual({ percent: 0.5 });
  expect(() => parseAmount('0.5')).toThrow(/not a number of hosts/);
});

const at = (day: number, hour: number, minute = 0) => Date.UTC(2026, 0, 4 + day, hour, minute);
const [monday, saturday, sunday] = [1, 6, 7];
const host = (id: string, labels = {}) => ({ id, labels });

test('a window is open in its hours of its days, and the next night too when it goes over midnight', () => {
  const { windows } = parsePlan('window=*@Sat-Sun/22:00-04:00');
  const isOpen = (nowMs: number) => isWindowOpen(windows, host('a'), nowMs);
  expect(isOpen(at(saturday, 21, 59))).toBe(false);
  expect(isOpen(at(saturday, 22))).toBe(true);
  expect(isOpen(at(sunday, 3, 59))).toBe(true);
  expect(isOpen(at(sunday, 4))).toBe(false);
  expect(isOpen(at(monday, 3, 59))).toBe(true);
  expect(isOpen(at(monday, 4))).toBe(false);
  expect(nextOpeningMs(windows, host('a'), at(monday, 4))).toBe(at(saturday, 22));
  expect(nextOpeningMs(windows, host('a'), at(sunday, 23))).toBe(at(saturday + 7, 22));
});

test('a window is about the hosts and labels that it names; others may move at any time', () => {
  const { windows } = parsePlan(
    'window=zone:eu+rack:r1@Mon/01:00-02:00 window=host:b@*/00:00-24:00',
  );
  const isOpen = (id: string, labels = {}) =>
    isWindowOpen(windows, host(id, labels), at(monday, 5));
  expect(isOpen('a', { zone: 'eu', rack: 'r1' })).toBe(false);
  expect(isOpen('a', { zone: 'eu', rack: 'r2' })).toBe(true);
  expect(isOpen('b')).toBe(true);
  // Two windows about one host: either will do.
  expect(isOpen('b', { zone: 'eu', rack: 'r1' })).toBe(true);
});

test('a window opens when it is said to', () => {
  const anyWindow = fc.record({ from: fc.nat(1_439), length: fc.integer({ min: 1, max: 1_439 }) });
  fc.assert(
    fc.property(anyWindow, fc.nat(10_079), fc.nat(59_999), ({ from, length }, minute, ms) => {
      const time = (of: number) =>
        `${String(Math.floor((of % 1_440) / 60)).padStart(2, '0')}:${String(of % 60).padStart(2, '0')}`;
      const { windows } = parsePlan(`window=*@Wed+Sun/${time(from)}-${time(from + length)}`);
      const nowMs = at(monday, 0) + minute * 60_000 + ms;
      const openingMs = nextOpeningMs(windows, host('a'), nowMs) ?? NaN;
      expect(openingMs).toBeGreaterThan(nowMs);
      expect(isWindowOpen(windows, host('a'), openingMs)).toBe(true);
      expect(isWindowOpen(windows, host('a'), openingMs - 1)).toBe(false);
    }),
  );
});
