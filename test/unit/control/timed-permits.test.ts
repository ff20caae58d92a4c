import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import {
  SessionServer,
  systemClock,
  TrackerSession,
  type Permit,
} from '../../../src/control/index.ts';
import { TimedPermits } from '../../../src/control/timed-permits.ts';
import { addressOf, ControlFleet, openMember, waitFor } from '../../tools/control-fleet.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const leaseMs = 4_000;
const permitUntil = (validUntilMs: number, change: Partial<Permit> = {}): Permit => ({
  ...{ app: 'web', channel: 'stable', release: 'new', action: 'activate', epoch: 1 },
  validUntil: new Date(validUntilMs).toISOString(),
  ...change,
});

const anyTime = fc.integer({ min: 0, max: Date.UTC(2040, 0) });
const anyDelay = fc.oneof(fc.nat(50), fc.nat(60_000));

test('a lease ends on the host not later than at the tracker, whatever clocks say and how long it is paused before', () => {
  fc.assert(
    fc.property(
      fc.record({
        trackerZero: anyTime,
        hostZero: anyTime,
        isOnItsWayMs: anyDelay,
        pausedMs: anyDelay,
        askTakesMs: anyDelay,
        answerTakesMs: anyDelay,
      }),
      ({ trackerZero, hostZero, isOnItsWayMs, pausedMs, askTakesMs, answerTakesMs }) => {
        // The true time, of which a tracker's clock and a host's know nothing but how it goes on.
        let trueMs = 0;
        let hostPausedMs = 0;
        const uptime = () => trueMs - hostPausedMs;
        const fleetTimeMs = () => hostZero + uptime();
        const asks: number[] = [];
        const handed: Permit[] = [];
        const permits = new TimedPermits(
          { uptime, fleetTimeMs },
          { ask: (asked) => asks.push(asked), hand: (all) => handed.push(...all) },
        );
        const message = permitUntil(trackerZero + trueMs + leaseMs);
        const endsMs = trueMs + leaseMs;
        trueMs += isOnItsWayMs;
        hostPausedMs += Math.min(pausedMs, isOnItsWayMs);
        permits.take([message]);
        trueMs += askTakesMs;
        const leaseTime = new Date(trackerZero + trueMs).toISOString();
        trueMs += answerTakesMs;
        expect(handed).toEqual([]);
        for (const asked of asks) permits.onTime({ type: 'time', asked, leaseTime });
        const untilMs = Date.parse(handed[0]?.validUntil ?? '');
        const leftMs = untilMs - fleetTimeMs();
        expect(leftMs).toBeLessThanOrEqual(endsMs - trueMs);
        // What is lost of it is what the way of the question takes.
        expect(leftMs).toBeGreaterThanOrEqual(endsMs - trueMs - askTakesMs - 2);
      },
    ),
  );
});

test('what takes back is handed on at once, and who is not answered is not permitted', () => {
  const handed: Permit[] = [];
  const asks: number[] = [];
  const permits = new TimedPermits(
    { uptime: () => 0, fleetTimeMs: () => 0 },
    { ask: (asked) => asks.push(asked), hand: (all) => handed.push(...all) },
  );
  permits.take([permitUntil(0), permitUntil(0, { action: 'hold', epoch: 2 })]);
  expect(handed.map(({ action }) => action)).toEqual(['hold']);
  for (let more = 0; more < 20; more++) permits.take([permitUntil(0)]);
  const leaseTime = new Date(0).toISOString();
  for (const asked of [...asks, ...asks]) permits.onTime({ type: 'time', asked, leaseTime });
  expect(handed).toHaveLength(1 + 16);
});

test('a tracker whose wall clock is set in a session grants leases that are as long as before', async () => {
  const fleet = new ControlFleet();
  let setMs = 0;
  const clock = { now: () => Date.now() + setMs, uptime: () => systemClock.uptime() - 1e12 };
  const trackerNode = await openMember({ fleet, role: 'tracker' });
  const server = await SessionServer.open(
    { node: trackerNode, clock },
    {
      onSession: () => undefined,
      onMessage: () => undefined,
      onEnd: () => undefined,
    },
  );
  onTestFinished(() => server[Symbol.asyncDispose]());
  const left: number[] = [];
  const node = await openMember({ fleet });
  const session = new TrackerSession(
    { node, clock: systemClock, random: seededRandom(7) },
    {
      trackers: [addressOf(trackerNode)],
      describe: () => ({ version: '0', follows: [], settings: {}, addresses: [] }),
      onMessage: (message) => {
        if (message.type !== 'permits') return;
        const [permit] = message.permits;
        left.push(Date.parse(permit?.validUntil ?? '') - (session.fleetTimeMs ?? 0));
      },
    },
  );
  onTestFinished(() => session[Symbol.asyncDispose]());
  await waitFor(() => expect(server.sessions.size).toBe(1));
  for (const [at, ms] of [0, 10_000, -60_000].entries()) {
    setMs = ms;
    server.broadcast({ type: 'permits', permits: [permitUntil(clock.uptime() + 60_000)] });
    await waitFor(() => expect(left).toHaveLength(at + 1));
  }
  // A lease is cut to the longest that there is; what is left of one is that, less what a busy machine takes.
  for (const ms of left) {
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThanOrEqual(5_000);
  }
});

test('the time of a host is not set back by another tracker, so no lease gets longer by that', async () => {
  const fleet = new ControlFleet();
  const node = await openMember({ fleet });
  const trackers = [];
  for (const aheadMs of [3_600_000, -3_600_000]) {
    const trackerNode = await openMember({ fleet, role: 'tracker' });
    const clock = { now: () => Date.now() + aheadMs, uptime: systemClock.uptime };
    const server = await SessionServer.open(
      { node: trackerNode, clock },
      { onSession: () => undefined, onMessage: () => undefined, onEnd: () => undefined },
    );
    onTestFinished(() => server[Symbol.asyncDispose]());
    trackers.push({ server, address: addressOf(trackerNode) });
  }
  const session = new TrackerSession(
    { node, clock: systemClock, random: () => 0 },
    {
      trackers: trackers.map(({ address }) => address),
      describe: () => ({ version: '0', follows: [], settings: {}, addresses: [] }),
      onMessage: () => undefined,
      backoff: { firstMs: 20, mostMs: 200 },
    },
  );
  onTestFinished(() => session[Symbol.asyncDispose]());
  const [first, second] = trackers;
  await waitFor(() => expect(session.tracker).toBe(first?.address));
  const before = session.fleetTimeMs ?? Infinity;
  await first?.server[Symbol.asyncDispose]();
  await waitFor(() => expect(session.tracker).toBe(second?.address));
  expect(session.fleetTimeMs).toBeGreaterThanOrEqual(before);
});
