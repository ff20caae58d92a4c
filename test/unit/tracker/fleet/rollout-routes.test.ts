import { expect, test } from 'vitest';
import { HostPins } from '../../../../tracker/fleet/host-pins.ts';
import { rolloutRoutes } from '../../../../tracker/fleet/rollout-routes.ts';
import { openFrame } from '../rest/rest-frame.ts';
import { newImage, oldImage, RolloutFleet } from './rollout-fleet.ts';

const plan = 'waves=1,100% max-unavailable=2 gate=1s deadline=20s';

async function openRest() {
  const fleet = await RolloutFleet.open(4);
  const tracker = await fleet.startTracker('first');
  fleet.connect(fleet.hosts, tracker);
  const pins = new HostPins({ store: fleet.store, audit: tracker.audit });
  const rest = await openFrame(rolloutRoutes({ driver: tracker.driver, pins, clock: fleet.clock }));
  return { fleet, tracker, rest };
}

test('rollouts and their hosts are listed in pages, and told with what they wait for', async () => {
  const { fleet, rest } = await openRest();
  expect((await rest.call({ url: '/v1/rollouts' })).json()).toEqual({ rollouts: [] });
  expect((await rest.call({ url: '/v1/rollouts/web/stable' })).statusCode).toBe(404);
  fleet.release(2, plan);
  await fleet.run(30_000, () => fleet.count(newImage) === 4);
  await fleet.run(3_000);
  const listed = await rest.call({ url: '/v1/rollouts' });
  expect(listed.json()).toMatchObject({
    rollouts: [{ app: 'web', channel: 'stable', release: 2, phase: 'done', tried: 4, total: 4 }],
  });
  const first = (await rest.call({ url: '/v1/rollouts/web/stable/hosts?limit=3' })).json<{
    hosts: { peerId: string; phase: string }[];
    next: string;
  }>();
  const url = `/v1/rollouts/web/stable/hosts?after=${first.next}`;
  const second = (await rest.call({ url })).json<typeof first>();
  const ids = [...first.hosts, ...second.hosts].map(({ peerId }) => peerId);
  expect(ids).toEqual(fleet.hosts.map(({ id }) => id).sort());
  expect(first.hosts[0]).toMatchObject({ phase: 'healthy', imageId: newImage });
});

test('a host that lacks values does not fail for it, and what it lacks is told', async () => {
  const { fleet, tracker, rest } = await openRest();
  const [host] = fleet.hosts;
  if (!host) throw new Error('a fleet has hosts');
  host.lacks = ['API'];
  fleet.release(2, plan);
  await fleet.run(15_000, () => fleet.count(newImage) === 3);
  await fleet.run(3_000);
  const { hosts } = (await rest.call({ url: '/v1/rollouts/web/stable/hosts' })).json<{
    hosts: { peerId: string }[];
  }>();
  expect(hosts.find(({ peerId }) => peerId === host.id)).toMatchObject({
    standing: 'unmet',
    unmet: ['API'],
    reason: 'it lacks values',
  });
  expect((await rest.call({ url: '/v1/rollouts/web/stable' })).json()).toMatchObject({
    phase: 'running',
    waitsFor: 'settings',
    failures: 0,
  });
  host.lacks = undefined;
  await fleet.run(15_000, () => fleet.count(newImage) === 4);
  expect(tracker.driver.get('web', 'stable')?.rollout.state.phase).not.toBe('aborted');
  expect(fleet.count(newImage)).toBe(4);
});

test('an action is taken by its name, or refused with a reason', async () => {
  const { fleet, rest } = await openRest();
  fleet.release(2, plan);
  await fleet.run(30_000, () => fleet.count(newImage) >= 1);
  const act = (payload: object) =>
    rest.call({ method: 'POST', url: '/v1/rollouts/web/stable/actions', payload });
  expect((await act({ type: 'pause' })).json()).toMatchObject({
    phase: 'paused',
    waitsFor: 'operator',
  });
  expect((await act({ type: 'abort', goBack: false })).json()).toMatchObject({ phase: 'aborted' });
  const refused = await act({ type: 'promote', waves: 'all' });
  expect(refused.statusCode).toBe(409);
  expect(refused.json()).toMatchObject({ code: 'ROLLOUT_REFUSED' });
  expect((await act({ type: 'burn' })).statusCode).toBe(400);
});

test('a release without a plan is shown to have come after the rollout, and the log names both', async () => {
  const { fleet, rest } = await openRest();
  const shown = async () => (await rest.call({ url: '/v1/rollouts/web/stable' })).json<object>();
  const entries = async () => {
    const { entries: all } = await fleet.store.list('audit/');
    const read = all.map(({ value }) => JSON.parse(value) as { action: string; detail: object });
    return read.filter(({ action }) => action === 'rollout.release').map(({ detail }) => detail);
  };
  fleet.release(2, 'waves=100% max-unavailable=100% gate=0s deadline=20s');
  await fleet.run(30_000, () => fleet.count(newImage) === 4);
  await fleet.run(2_000);
  expect(await shown()).not.toHaveProperty('supersededBy');
  fleet.release(3);
  await fleet.run(1_000);
  expect(await shown()).toMatchObject({ release: 2, supersededBy: 3, stopReason: 'superseded' });
  fleet.release(4, plan);
  await fleet.run(1_000);
  expect(await shown()).toMatchObject({ release: 4 });
  const logged = await entries();
  expect(logged).toMatchObject([
    { release: 2 },
    { release: 2, supersedes: 2, supersededBy: 3 },
    { release: 4, supersedes: 2, supersededBy: 4 },
  ]);
  for (const detail of logged) expect(detail).not.toHaveProperty('stopped');
});

test('a host that is held, or pinned to another image, stays as it is until it is freed', async () => {
  const { fleet, rest } = await openRest();
  const [held, pinned] = fleet.hosts;
  if (!held || !pinned) throw new Error('a fleet has hosts');
  const pin = (peerId: string, payload: object) =>
    rest.call({ method: 'POST', url: `/v1/hosts/${peerId}/pins`, payload });
  await pin(held.id, { type: 'hold' });
  const imageId = `b${'a'.repeat(58)}`;
  expect((await pin(pinned.id, { type: 'pin', app: 'web', imageId })).json()).toEqual({
    isHeld: false,
    pins: { web: imageId },
  });
  fleet.release(2, plan);
  await fleet.run(30_000, () => fleet.count(newImage) === 2);
  await fleet.run(5_000);
  expect([held.release, pinned.release]).toEqual([oldImage, oldImage]);
  await pin(held.id, { type: 'release' });
  await pin(pinned.id, { type: 'unpin', app: 'web' });
  await fleet.run(30_000, () => fleet.count(newImage) === 4);
  expect(fleet.count(newImage)).toBe(4);
  const nonsense = { type: 'pin', app: 'web', imageId: 'nonsense' };
  expect((await pin(pinned.id, nonsense)).statusCode).toBe(400);
  const nobody = '12D3KooWQ8tMcJKYKFZTLLVqmiDmf8Lhyc5p4yFLTL5h6YCmqYjM';
  expect((await pin(nobody, { type: 'hold' })).statusCode).toBe(400);
});

test('a preview changes nothing, and a plan that can not be read is refused', async () => {
  const { fleet, rest } = await openRest();
  const preview = (text: string) => {
    const payload = { app: 'web', channel: 'stable', plan: text };
    return rest.call({ method: 'POST', url: '/v1/rollouts/preview', payload });
  };
  const answer = (await preview(plan)).json<{ sizes: number[]; hosts: { wave: number }[] }>();
  expect(answer.sizes).toEqual([1, 4]);
  expect(answer.hosts.map(({ wave }) => wave)).toEqual([1, 2, 2, 2]);
  expect((await preview('waves=0%')).json()).toMatchObject({ code: 'CONFIG_INVALID' });
  expect(await fleet.store.list('rollouts/')).toMatchObject({ entries: [] });
});
