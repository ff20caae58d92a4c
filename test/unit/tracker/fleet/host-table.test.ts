import { expect, test } from 'vitest';
import { put } from '../../../../tracker/fleet/entries.ts';
import { memberKey } from '../../../../tracker/fleet/records.ts';
import { breakableStore } from './breakable-store.ts';
import { heard, newImage, RolloutFleet, type FleetTracker } from './rollout-fleet.ts';

const seenBy = (tracker: FleetTracker) => tracker.hosts.fleet('web', 'stable', 'image 1');
const channel = { app: 'web', channel: 'stable', epoch: 0, acted: 0 };
const unreachable = (tracker: FleetTracker) =>
  seenBy(tracker).filter(({ unreachableSinceMs }) => unreachableSinceMs !== undefined).length;

test('each tracker knows of all hosts what they reported to any', async () => {
  const fleet = await RolloutFleet.open(4);
  const one = await fleet.startTracker('one', { isShared: true });
  const other = await fleet.startTracker('other', { isShared: true });
  fleet.connect(fleet.hosts.slice(0, 2), one);
  fleet.connect(fleet.hosts.slice(2), other);
  await fleet.run(2_000);
  for (const tracker of [one, other]) {
    const seen = seenBy(tracker).map(({ report }) => [report?.release, report?.state]);
    expect(seen).toEqual(Array(4).fill(['image 1', 'healthy']));
    expect(unreachable(tracker)).toBe(0);
  }
});

test('what does not change is not written again', async () => {
  const fleet = await RolloutFleet.open(2);
  const tracker = await fleet.startTracker('one');
  fleet.connect(fleet.hosts, tracker);
  await fleet.run(2_000);
  const { revision } = await fleet.store.list('hosts/');
  await fleet.run(5_000);
  expect((await fleet.store.list('hosts/')).revision).toBe(revision);
});

test('of a host that is revoked nothing is written when its session ends', async () => {
  const fleet = await RolloutFleet.open(2);
  const tracker = await fleet.startTracker('one');
  fleet.connect(fleet.hosts, tracker);
  await fleet.run(2_000);
  const [{ id } = { id: '' }] = fleet.hosts;
  const { value = '' } = (await fleet.store.get(memberKey(id))) ?? {};
  const revoked = { ...(JSON.parse(value) as object), state: 'revoked' };
  await fleet.store.commit({ put: [put(memberKey(id), revoked)], remove: [`hosts/${id}`] });
  await fleet.run(1_000);
  fleet.connect(fleet.hosts, undefined);
  await fleet.run(2_000);
  const { entries } = await fleet.store.list('hosts/');
  expect(entries.map(({ key }) => key)).toEqual([`hosts/${fleet.hosts[1]?.id}`]);
  expect(JSON.parse(entries[0]?.value ?? '')).toMatchObject({ isHere: false });
});

test('the hosts of a tracker that died are unreachable after a while, unless they come elsewhere', async () => {
  const fleet = await RolloutFleet.open(4);
  const survivor = await fleet.startTracker('survivor', { isShared: true });
  const dying = await fleet.startTracker('dying', { isShared: true });
  fleet.connect(fleet.hosts, dying);
  await fleet.run(4_000);
  await dying.die();
  const [first] = fleet.hosts;
  if (first === undefined) throw new Error('a fleet has hosts');
  await fleet.run(5_000);
  fleet.connect([first], survivor);
  expect(unreachable(survivor)).toBe(0);
  await fleet.run(15_000);
  expect(unreachable(survivor)).toBe(3);
});

test('a host that comes back at once was never away', async () => {
  const fleet = await RolloutFleet.open(2);
  const tracker = await fleet.startTracker('one');
  fleet.connect(fleet.hosts, tracker);
  await fleet.run(1_000);
  fleet.connect(fleet.hosts, undefined);
  await fleet.run(2_000);
  expect(unreachable(tracker)).toBe(0);
  await fleet.run(2_000);
  expect(unreachable(tracker)).toBe(2);
  fleet.connect(fleet.hosts, tracker);
  expect(unreachable(tracker)).toBe(0);
});

test('a session that ends after a newer one has begun ends nothing', async () => {
  const fleet = await RolloutFleet.open(1);
  const tracker = await fleet.startTracker('one');
  const [host] = fleet.hosts;
  if (host === undefined) throw new Error('a fleet has hosts');
  const [older, newer] = [heard(host), heard(host)];
  tracker.hosts.onSession(older, true);
  tracker.hosts.onSession(newer, true);
  tracker.hosts.onSession(older, false);
  expect([...tracker.hosts.own]).toEqual([host.id]);
  tracker.hosts.onSession(newer, false);
  expect([...tracker.hosts.own]).toEqual([]);
});

test('after a restart hosts are known from the store, and had time to come before they are missed', async () => {
  const fleet = await RolloutFleet.open(3);
  const before = await fleet.startTracker('before');
  fleet.connect(fleet.hosts, before);
  await fleet.run(2_000);
  await before.die();
  const after = await fleet.startTracker('after');
  expect(seenBy(after).map(({ report }) => report?.state)).toEqual(Array(3).fill('healthy'));
  await fleet.run(10_000);
  expect(unreachable(after)).toBe(0);
  await fleet.run(6_000);
  expect(unreachable(after)).toBe(3);
});

test.each([-8_000, 8_000])(
  'a host that moved to a tracker whose clock is %d ms ahead is where its session is',
  async (aheadMs) => {
    const fleet = await RolloutFleet.open(1);
    const one = await fleet.startTracker('one', { isShared: true });
    const other = await fleet.startTracker('other', { isShared: true, aheadMs });
    const [host] = fleet.hosts;
    if (host === undefined) throw new Error('a fleet has hosts');
    const [older, newer] = [heard(host), heard(host)];
    one.hosts.onSession(older, true);
    await fleet.run(1_000);
    other.hosts.onSession(newer, true);
    await fleet.run(1_000);
    const written = await fleet.store.get(`hosts/${host.id}`);
    one.hosts.onSession(older, false);
    await fleet.run(5_000);
    expect(await fleet.store.get(`hosts/${host.id}`)).toEqual(written);
    expect([one, other].map(unreachable)).toEqual([0, 0]);
    expect(one.hosts.isConnected(host.id)).toBe(true);
  },
);

test('what another tracker has written of a host that is here is put right', async () => {
  const fleet = await RolloutFleet.open(1);
  const one = await fleet.startTracker('one', { isShared: true });
  const other = await fleet.startTracker('other', { isShared: true, aheadMs: -8_000 });
  const [host] = fleet.hosts;
  if (host === undefined) throw new Error('a fleet has hosts');
  const older = heard(host);
  one.hosts.onSession(older, true);
  await fleet.run(1_000);
  other.hosts.onSession(heard(host), true);
  await fleet.run(1_000);
  // It had this from the host before, and does not know yet that the host has gone.
  const report = { ...channel, number: 1, state: 'empty' as const };
  one.hosts.onReport(older, { channels: [report] });
  await fleet.run(1_000);
  one.hosts.onSession(older, false);
  await fleet.run(6_000);
  expect(unreachable(one)).toBe(0);
  // Nor does it matter that the one that wrote last is dead.
  one.hosts.onSession(older, true);
  await fleet.run(1_000);
  await one.die();
  await fleet.run(20_000);
  const third = await fleet.startTracker('third', { isShared: true });
  await fleet.run(20_000);
  expect(unreachable(third)).toBe(0);
});

test.each([-8_000, 8_000])(
  'a host is missed after the same time at a tracker whose clock is %d ms ahead of the one it left',
  async (aheadMs) => {
    const fleet = await RolloutFleet.open(1);
    const one = await fleet.startTracker('one', { isShared: true });
    const other = await fleet.startTracker('other', { isShared: true, aheadMs });
    fleet.connect(fleet.hosts, one);
    await fleet.run(1_000);
    fleet.connect(fleet.hosts, undefined);
    await fleet.run(2_000);
    expect(unreachable(other)).toBe(0);
    expect(other.hosts.isConnected(fleet.hosts[0]?.id ?? '')).toBe(false);
    await fleet.run(3_000);
    expect(unreachable(other)).toBe(1);
  },
);

test('entries of a newer tracker are read as far as they are known, and others are passed over', async () => {
  const fleet = await RolloutFleet.open(3);
  const tracker = await fleet.startTracker('one');
  fleet.connect(fleet.hosts, tracker);
  await fleet.run(1_000);
  const [first, second, third] = fleet.hosts.map(({ id }) => id);
  const member = await fleet.store.get(`members/${first ?? ''}`);
  const newer = { ...(JSON.parse(member?.value ?? '') as object), rank: 'of a newer tracker' };
  await fleet.store.commit({
    put: [
      { key: `hosts/${second ?? ''}`, value: 'no JSON' },
      { key: `members/${first ?? ''}`, value: JSON.stringify(newer) },
      { key: `pins/${first ?? ''}`, value: '{"isHeld":true,"pins":{},"until":"tomorrow"}' },
      { key: `pins/${third ?? ''}`, value: '{"frozen":"for ever"}' },
    ],
  });
  await fleet.run(1_000);
  const held = seenBy(tracker).filter(({ isHeld }) => isHeld);
  expect(held.map(({ id }) => id).sort()).toEqual([first, third].sort());
  expect(seenBy(tracker)).toHaveLength(3);
  expect(tracker.hosts.blind).toEqual([]);
});

test('a tracker that does not hear of changes decides nothing: another leads, and it comes back', async () => {
  const fleet = await RolloutFleet.open(4);
  const breakable = breakableStore(fleet.store);
  const blind = await fleet.startTracker('blind', { isShared: true, store: breakable.store });
  await fleet.run(1_000, () => blind.driver.isLeading);
  const other = await fleet.startTracker('other', { isShared: true });
  fleet.connect(fleet.hosts, other);
  await fleet.run(1_000);
  fleet.release(2, 'waves=1,100% max-unavailable=100% gate=5s deadline=20s');
  blind.driver.onReleases();
  await fleet.run(20_000, () => fleet.count(newImage) === 1);
  expect([blind, other].map(({ driver }) => driver.isLeading)).toEqual([true, false]);
  breakable.break('hosts/');
  await fleet.run(20_000, () => fleet.count(newImage) === 4);
  expect(blind.hosts.blind).toEqual(['hosts/']);
  expect([blind, other].map(({ driver }) => driver.isLeading)).toEqual([false, true]);
  expect(fleet.count(newImage)).toBe(4);
  breakable.mend();
  await fleet.run(3_000);
  expect(blind.hosts.blind).toEqual([]);
  expect(seenBy(blind).map(({ report }) => report?.release)).toEqual(Array(4).fill(newImage));
});

test.each([true, false])(
  'a tracker that leads gives that up when it does not hear of hosts; it was at rest: %s',
  async (isAtRest) => {
    const fleet = await RolloutFleet.open(2);
    const breakable = breakableStore(fleet.store);
    const blind = await fleet.startTracker('blind', { isShared: true, store: breakable.store });
    await fleet.run(1_000, () => blind.driver.isLeading);
    const other = await fleet.startTracker('other', { isShared: true });
    fleet.connect(fleet.hosts, other);
    const release = async () => {
      fleet.release(2, 'waves=100% max-unavailable=100% gate=0s deadline=20s');
      blind.driver.onReleases();
      await fleet.run(20_000, () => fleet.count(newImage) === 2);
      expect(fleet.count(newImage)).toBe(2);
      await fleet.run(5_000);
    };
    if (isAtRest) await release();
    breakable.break('members/');
    await fleet.run(1_000);
    if (!isAtRest) await release();
    expect([blind, other].map(({ driver }) => driver.isLeading)).toEqual([false, true]);
  },
);

test('a tracker that did not hear of rollouts for a while knows them again', async () => {
  const fleet = await RolloutFleet.open(2);
  const breakable = breakableStore(fleet.store);
  const other = await fleet.startTracker('other', { isShared: true });
  await fleet.run(1_000, () => other.driver.isLeading);
  const blind = await fleet.startTracker('blind', { isShared: true, store: breakable.store });
  fleet.connect(fleet.hosts, other);
  breakable.break('rollouts/');
  fleet.release(2, 'waves=100% max-unavailable=100% gate=0s deadline=20s');
  await fleet.run(10_000, () => fleet.count(newImage) === 2);
  expect(blind.driver.blind).toEqual(['rollouts/']);
  expect(blind.driver.all).toEqual([]);
  breakable.mend();
  await fleet.run(3_000);
  expect(blind.driver.blind).toEqual([]);
  expect(blind.driver.all).toHaveLength(1);
});
