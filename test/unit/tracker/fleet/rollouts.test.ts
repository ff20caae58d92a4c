import { expect, test } from 'vitest';
import type { Store } from '../../../../tracker/store/index.ts';
import { listAudit, verifyAudit } from '../../../../tracker/audit/index.ts';
import { HostPins } from '../../../../tracker/fleet/host-pins.ts';
import { newImage, oldImage, RolloutFleet, type FleetTracker } from './rollout-fleet.ts';

const plan = 'waves=1,50%,100% max-unavailable=2 gate=1s deadline=20s abort-on=2';
const at = { app: 'web', channel: 'stable' };

const phaseOf = (tracker: FleetTracker) => tracker.driver.get('web', 'stable')?.rollout.state.phase;

async function openFleet(hostCount: number) {
  const fleet = await RolloutFleet.open(hostCount);
  const tracker = await fleet.startTracker('first');
  fleet.connect(fleet.hosts, tracker);
  return { fleet, tracker };
}

test('a release with a plan moves all hosts in waves, never more than the limit at a time', async () => {
  const { fleet, tracker } = await openFleet(8);
  fleet.release(2, plan);
  await fleet.run(60_000, () => phaseOf(tracker) === 'done');
  expect(fleet.count(newImage)).toBe(8);
  expect(fleet.mostTakenDown).toBeLessThanOrEqual(2);
  expect(fleet.hosts.map(({ begun }) => begun.length)).toEqual(Array(8).fill(1));
  const actions = (await listAudit(fleet.store)).map(({ action }) => action);
  expect(actions).toContain('rollout.release');
  expect(actions).toContain('rollout.progress');
  expect(await verifyAudit(fleet.store)).toMatchObject({});
});

test('a tracker that is started anew in the middle goes on where the one before was', async () => {
  const { fleet, tracker } = await openFleet(8);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) >= 2);
  fleet.connect(fleet.hosts, undefined);
  await tracker.close();
  const next = await fleet.startTracker('second');
  fleet.connect(fleet.hosts, next);
  await fleet.run(60_000, () => phaseOf(next) === 'done');
  expect(fleet.count(newImage)).toBe(8);
  expect(fleet.mostTakenDown).toBeLessThanOrEqual(2);
  expect(fleet.hosts.map(({ begun }) => begun.length)).toEqual(Array(8).fill(1));
});

test('too many failures stop it, and those that had moved go back', async () => {
  const { fleet, tracker } = await openFleet(8);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) === 1);
  for (const host of fleet.hosts) {
    if (host.release === oldImage) host.fate = { takesMs: 500, outcome: 'wentBack' };
  }
  await fleet.run(60_000, () => phaseOf(tracker) === 'aborted');
  await fleet.run(2_000);
  expect(fleet.hosts.map(({ release }) => release)).toEqual(Array(8).fill(oldImage));
});

test('an abort while it is paused is taken, and nothing activates after it', async () => {
  const { fleet, tracker } = await openFleet(6);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) >= 1);
  expect(await tracker.driver.act(at, { type: 'pause' }, 'anna')).toHaveProperty('channel');
  await fleet.run(5_000);
  const begun = fleet.hosts.flatMap((host) => host.begun).length;
  expect(await tracker.driver.act(at, { type: 'abort', goBack: false }, 'anna')).toHaveProperty(
    'channel',
  );
  await fleet.run(20_000);
  expect(phaseOf(tracker)).toBe('aborted');
  expect(fleet.hosts.flatMap((host) => host.begun)).toHaveLength(begun);
  expect(await tracker.driver.act(at, { type: 'resume' }, 'anna')).toHaveProperty('refused');
  const own = (await listAudit(fleet.store)).filter(({ actor }) => actor === 'anna');
  expect(own.map(({ action }) => action)).toEqual(['rollout.pause', 'rollout.abort']);
});

test('of two trackers one decides, and each tells its own hosts', async () => {
  const fleet = await RolloutFleet.open(8);
  const one = await fleet.startTracker('one', { isShared: true });
  const other = await fleet.startTracker('other', { isShared: true });
  fleet.connect(fleet.hosts.slice(0, 4), one);
  fleet.connect(fleet.hosts.slice(4), other);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) >= 3);
  expect([one, other].filter(({ driver }) => driver.isLeading)).toEqual([one]);
  fleet.connect(fleet.hosts.slice(0, 4), other);
  await one.close();
  await fleet.run(60_000, () => phaseOf(other) === 'done');
  expect(fleet.count(newImage)).toBe(8);
  expect(fleet.mostTakenDown).toBeLessThanOrEqual(2);
  expect(new Set(fleet.told.map(({ tracker }) => tracker))).toEqual(new Set([one, other]));
});

test('a tracker that has not heard of an abort renews nothing after it was acknowledged', async () => {
  const fleet = await RolloutFleet.open(6);
  const leader = await fleet.startTracker('leader', { isShared: true });
  const deaf = new DeafStore(fleet.store);
  const late = await fleet.startTracker('late', { isShared: true, store: deaf.store });
  fleet.connect(fleet.hosts, late);
  for (const host of fleet.hosts) host.downSinceMs = Infinity;
  await fleet.run(1_000);
  // They are up again, and have the image, but hear nothing: their permits are renewed all the time.
  for (const host of fleet.hosts) host.downSinceMs = undefined;
  for (const host of fleet.hosts) host.hear = () => undefined;
  fleet.release(2, plan);
  leader.driver.onReleases();
  await fleet.run(10_000, () => fleet.told.length >= 3);
  expect(fleet.told.length).toBeGreaterThanOrEqual(3);
  deaf.isDeaf = true;
  await leader.driver.act(at, { type: 'abort' }, 'anna');
  const acknowledgedMs = Date.now();
  const before = fleet.told.length;
  await fleet.run(10_000);
  expect(fleet.told).toHaveLength(before);
  const longest = Math.max(
    ...fleet.told.map(({ permit }) => Date.parse(permit.validUntil ?? '') - acknowledgedMs),
  );
  expect(longest).toBeLessThanOrEqual(4_000);
});

/** Hosts that are permitted and hear nothing, told by a tracker that hears of no change; nobody decides. */
async function withoutLeader() {
  const fleet = await RolloutFleet.open(6);
  const leader = await fleet.startTracker('leader', { isShared: true });
  fleet.electNobody();
  const deaf = new DeafStore(fleet.store);
  const late = await fleet.startTracker('late', { isShared: true, store: deaf.store });
  fleet.connect(fleet.hosts, late);
  for (const host of fleet.hosts) host.hear = () => undefined;
  fleet.release(2, plan.replace('waves=1,', 'waves=2,'));
  leader.driver.onReleases();
  await fleet.run(10_000, () => fleet.told.length >= 4);
  deaf.isDeaf = true;
  await leader.close();
  await fleet.run(2_000);
  const permitted = [...new Set(fleet.told.map(({ peerId }) => peerId))];
  expect(permitted).toHaveLength(2);
  const toldSince = async (peerIds = permitted) => {
    const before = fleet.told.length;
    await fleet.run(10_000);
    const since = fleet.told.slice(before);
    return since.filter(({ peerId }) => peerIds.includes(peerId));
  };
  return { fleet, tracker: late, permitted, toldSince };
}

test.each(['abort', 'pause'] as const)(
  'after an acknowledged %s no permit is renewed, also while nobody decides',
  async (type) => {
    const { tracker, toldSince } = await withoutLeader();
    expect(await toldSince()).not.toEqual([]);
    expect(await tracker.driver.act(at, { type }, 'anna')).toHaveProperty('channel');
    expect(await toldSince()).toEqual([]);
  },
);

test('who is held, or pinned to something else, is not told to activate, also while nobody decides', async () => {
  const { fleet, tracker, permitted, toldSince } = await withoutLeader();
  const pins = new HostPins({ store: fleet.store, audit: tracker.audit });
  const [one = '', other = ''] = permitted;
  await pins.change(one, { type: 'hold' }, 'anna');
  expect(await toldSince([one])).toEqual([]);
  expect(await toldSince([other])).not.toEqual([]);
  await pins.change(other, { type: 'pin', app: 'web', imageId: oldImage }, 'anna');
  expect(await toldSince()).toEqual([]);
  await pins.change(one, { type: 'release' }, 'anna');
  expect(await toldSince([one])).not.toEqual([]);
});

test('a newer release takes the place of the one before, whose hosts count until they have answered', async () => {
  const { fleet, tracker } = await openFleet(8);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage, 'activating') === 2);
  fleet.release(3, plan);
  await fleet.run(90_000, () => fleet.count('image 3') === 8);
  expect(fleet.count('image 3')).toBe(8);
  expect(fleet.mostTakenDown).toBeLessThanOrEqual(2);
  await fleet.run(5_000);
  expect(tracker.driver.get('web', 'stable')).toMatchObject({
    rollout: { head: { number: 3 }, state: { phase: 'done' } },
    earlier: [],
  });
});

test('a newer release without a plan ends a rollout, and starts none', async () => {
  const { fleet, tracker } = await openFleet(4);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) >= 1);
  fleet.release(3);
  await fleet.run(5_000);
  expect(phaseOf(tracker)).toBe('aborted');
});

test('a host that leaves its tracker is unreachable after a while, and has its turn when it comes', async () => {
  const { fleet, tracker } = await openFleet(4);
  const [gone] = fleet.hosts;
  if (!gone) throw new Error('a fleet has hosts');
  fleet.connect([gone], undefined);
  await fleet.run(4_000);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) === 3);
  expect(gone.release).toBe(oldImage);
  fleet.connect([gone], tracker);
  await fleet.run(30_000, () => fleet.count(newImage) === 4);
  expect(fleet.count(newImage)).toBe(4);
});

test('what is previewed comes true', async () => {
  const { fleet, tracker } = await openFleet(6);
  fleet.release(1);
  await fleet.run(500);
  const { sizes, hosts } = tracker.driver.preview({ ...at, plan });
  expect(sizes).toEqual([1, 3, 6]);
  fleet.release(2, plan);
  await fleet.run(60_000, () => fleet.count(newImage) >= 1);
  const [first] = fleet.hosts.filter(({ begun }) => begun.length > 0);
  expect(hosts[0]).toMatchObject({ host: first?.id, wave: 0 });
});

/** The store of a tracker that is told of no more changes. */
class DeafStore {
  isDeaf = false;
  readonly store: Store;

  constructor(store: Store) {
    const isDeaf = () => this.isDeaf;
    this.store = new Proxy(store, {
      get: (target, name) => {
        if (name === 'watch') {
          return async function* (...args: Parameters<Store['watch']>) {
            for await (const batch of target.watch(...args)) if (!isDeaf()) yield batch;
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }
}
