import { expect, test } from 'vitest';
import { put } from '../../../../tracker/fleet/entries.ts';
import { memberKey } from '../../../../tracker/fleet/records.ts';
import { heard, RolloutFleet, type FleetTracker } from './rollout-fleet.ts';

const seenBy = (tracker: FleetTracker) => tracker.hosts.fleet('web', 'stable', 'image 1');
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
