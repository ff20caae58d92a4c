import { expect, onTestFinished, test } from 'vitest';
import { fastify } from 'fastify';
import { Preheats } from '../../../../tracker/fleet/preheats.ts';
import { preheatRoutes } from '../../../../tracker/fleet/preheat-routes.ts';
import { Watches } from '../../../../tracker/fleet/watches.ts';
import { openFrame } from '../rest/rest-frame.ts';
import { heard, RolloutFleet } from './rollout-fleet.ts';

const imageId = 'baf5reiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';

async function openPreheats(hostCount: number) {
  const fleet = await RolloutFleet.open(hostCount);
  const tracker = await fleet.startTracker('first');
  const told = new Map<string, readonly { app: string; imageId: string }[]>();
  const { store, clock } = fleet;
  const watches = new Watches({ store, log: fastify({ logger: false }).log });
  onTestFinished(() => watches[Symbol.asyncDispose]());
  const preheats = new Preheats(
    { store, clock, watches, audit: tracker.audit, hosts: tracker.hosts },
    { send: (peerId, images) => void told.set(peerId, images) },
  );
  await preheats.start();
  onTestFinished(() => {
    preheats[Symbol.dispose]();
  });
  const rest = await openFrame(preheatRoutes(preheats));
  return { fleet, tracker, told, rest };
}

test('the hosts with the labels are told what to fetch, also those that come later', async () => {
  const { fleet, tracker, told, rest } = await openPreheats(6);
  const inRack = fleet.hosts.filter(({ labels }) => labels.rack === 'r1');
  const [first, late] = inRack;
  if (!first || !late) throw new Error('a rack has hosts');
  fleet.connect(
    fleet.hosts.filter((host) => host !== late),
    tracker,
  );
  const payload = { app: 'web', imageId, labels: { rack: 'r1' } };
  const begun = await rest.call({ method: 'POST', url: '/v1/preheats', payload });
  expect(begun.json()).toMatchObject({ hosts: 2, complete: 0, unreachable: 1 });
  await fleet.run(500);
  const some = [...told].filter(([, images]) => images.length > 0);
  expect(some).toEqual([[first.id, [{ app: 'web', imageId }]]]);
  fleet.connect([late], tracker);
  await fleet.run(500);
  expect(told.get(late.id)).toEqual([{ app: 'web', imageId }]);
  const channel = { app: 'web', channel: 'stable', number: 1_000, epoch: 0, acted: 0 };
  const report = { ...channel, state: 'empty' as const, preheated: [imageId] };
  tracker.hosts.onReport({ peerId: first.id }, { channels: [report] });
  const listed = await rest.call({ url: '/v1/preheats' });
  expect(listed.json()).toMatchObject({ preheats: [{ hosts: 2, complete: 1, unreachable: 0 }] });
});

test('what is ended is told no more', async () => {
  const { fleet, tracker, told, rest } = await openPreheats(2);
  fleet.connect(fleet.hosts, tracker);
  await rest.call({
    method: 'POST',
    url: '/v1/preheats',
    payload: { app: 'web', imageId, labels: {} },
  });
  await fleet.run(500);
  expect([...told.values()]).toEqual(Array(2).fill([{ app: 'web', imageId }]));
  const end = () => rest.call({ method: 'DELETE', url: `/v1/preheats/web/${imageId}` });
  expect((await end()).statusCode).toBe(200);
  await fleet.run(500);
  expect([...told.values()]).toEqual(Array(2).fill([]));
  expect((await end()).statusCode).toBe(404);
});

test('a host that is back before its old session has ended is told anew, also that there is nothing', async () => {
  const { fleet, tracker, told, rest } = await openPreheats(1);
  const [host] = fleet.hosts;
  if (host === undefined) throw new Error('a fleet has hosts');
  const [older, newer, newest] = [heard(host), heard(host), heard(host)];
  tracker.hosts.onSession(older, true);
  const payload = { app: 'web', imageId, labels: {} };
  await rest.call({ method: 'POST', url: '/v1/preheats', payload });
  await fleet.run(500);
  expect(told.get(host.id)).toEqual([{ app: 'web', imageId }]);
  told.clear();
  tracker.hosts.onSession(newer, true);
  expect(told.get(host.id)).toEqual([{ app: 'web', imageId }]);
  tracker.hosts.onSession(older, false);
  tracker.hosts.onSession(newer, false);
  await rest.call({ method: 'DELETE', url: `/v1/preheats/web/${imageId}` });
  await fleet.run(500);
  told.clear();
  tracker.hosts.onSession(newest, true);
  expect(told.get(host.id)).toEqual([]);
});
