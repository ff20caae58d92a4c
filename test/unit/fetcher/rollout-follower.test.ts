import { writeFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import type { Durability } from '../../../src/image/index.ts';
import {
  makeImage,
  makePlace,
  makeScriptImage,
  signal,
  summary,
  until,
  type Place,
} from './fixture.ts';
import { leaseMs, notDurable, t0 } from './fleet/permits.ts';
import { RolloutHost, World, type RolloutHostInit } from './rollout-host.ts';

vi.setConfig({ testTimeout: 30_000 });

const plan = 'waves=1,100%';

/** A host that runs version 1, which had no plan. */
async function runningHost(place: Place, init: RolloutHostInit = {}) {
  const world = new World();
  const host = await RolloutHost.open(place, world, init);
  const one = await makeImage(place, '1', {});
  await host.follow(one);
  await host.reported({ state: 'healthy', release: one.imageId, prefetched: one.imageId });
  return { world, host, one };
}

/** An image that starts and is never healthy, for a long time. */
const makeHangingImage = (place: Place, version: string) =>
  makeScriptImage(place, version, 'exec sleep 1000', {
    health: { type: 'exec', command: ['false'], intervalMs: 20, deadlineMs: 100_000 },
  });

describe('a release with a plan', () => {
  test('is fetched at once, and activated when it is permitted', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.reported({ prefetched: two.imageId, release: one.imageId, state: 'healthy' });
    await host.state('waiting-for-permit');
    expect(host.follower.status().fault).toMatchObject({
      code: 'ACTIVATION_NOT_PERMITTED',
      message:
        'version 2 is here, and is not activated until its rollout permits it; if that was stopped, release again',
    });
    await host.tell(5, 'activate', two);
    await host.reported({ state: 'healthy', release: two.imageId, epoch: 5, acted: 5 });
    await host.state('following');
    expect(summary(await host.activation.generations())).toBe('1 healthy, 2* healthy');
    const numbers = host.reports.map(({ number }) => number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  test('that was acted on is never reported before it is seen to be activating', async () => {
    const place = await makePlace();
    const { host } = await runningHost(place);
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ state: 'healthy', release: two.imageId });
    const acted = host.reports.filter((report) => report.acted === 5);
    expect(acted.map(({ release }) => release)).not.toContain('bimage1');
  });

  test('waits for ever where there is no fleet, and says why', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place, { hasFleet: false });
    await host.follow(await makeImage(place, '2', {}), plan);
    await host.state('waiting-for-permit');
    expect(host.follower.status()).toMatchObject({
      fault: { message: expect.stringContaining('this host joined no fleet') as string },
      activation: { imageId: one.imageId, state: 'files' },
    });
  });

  test('is not activated by a permit that has ended, or is for another image', async () => {
    const place = await makePlace();
    const { host, world, one } = await runningHost(place);
    const two = await makeImage(place, '2', {});
    await host.tell(5, 'activate', two);
    world.nowMs += leaseMs;
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(6, 'activate', one);
    await host.reported({ epoch: 6, acted: 0, release: one.imageId });
    await host.tell(7, 'activate', two);
    await host.reported({ acted: 7, release: two.imageId, state: 'healthy' });
  });

  test('is not activated when it is told to hold before it has begun', async () => {
    const place = await makePlace();
    const gate = Promise.withResolvers<undefined>();
    const reached = Promise.withResolvers<undefined>();
    let isGated = false;
    const durability: Durability = {
      ...notDurable,
      syncFile: async () => {
        if (!isGated) return;
        reached.resolve(undefined);
        await gate.promise;
      },
    };
    const { host, one } = await runningHost(place, { activation: { components: { durability } } });
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    isGated = true;
    await host.tell(5, 'activate', two);
    await reached.promise;
    await host.tell(6, 'hold', two);
    gate.resolve(undefined);
    await host.state('waiting-for-permit');
    await host.activation.prune({ signal });
    await host.reported({ epoch: 6, acted: 0, release: one.imageId, state: 'healthy' });
    expect(summary(await host.activation.generations())).toBe('1* healthy');
  });

  test('is activated as soon as its needs are met and it is permitted still', async () => {
    const place = await makePlace();
    const supplies = new Map<string, string>();
    const { host } = await runningHost(place, { activation: { init: { supplies } } });
    const two = await makeImage(place, '2', { needs: { PORT: { type: 'port' } } });
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.state('waiting-for-settings');
    expect(host.permits.acted).toBe(0);
    supplies.set('PORT', '8080');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'healthy' });
  });

  test('is said to lack values before it is permitted, and no more when they are there', async () => {
    const place = await makePlace();
    const supplies = new Map<string, string>();
    const { host, world } = await runningHost(place, { activation: { init: { supplies } } });
    const two = await makeImage(place, '2', { needs: { PORT: { type: 'port' } } });
    await host.follow(two, plan);
    const { unmet } = await host.reported({ prefetched: two.imageId });
    expect(unmet).toEqual(['PORT']);
    supplies.set('PORT', '8080');
    world.changeSettings();
    await until('nothing is missing', () => host.reports.at(-1)?.unmet === undefined);
  });

  test('that fails says why to the rollout', async () => {
    const place = await makePlace();
    const { host } = await runningHost(place);
    const two = await makeScriptImage(place, '2', 'exit 3', {});
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    expect(host.reports.at(-1)?.reason).toBeUndefined();
    await host.tell(5, 'activate', two);
    await host.state('failed');
    const { reason } = await host.reported({ acted: 5, state: 'wentBack' });
    expect(reason).toContain(host.follower.status().fault?.message.slice(0, 100));
  });

  test('is not begun again after a kill between noting it and beginning', async () => {
    const place = await makePlace();
    const world = new World();
    const first = await RolloutHost.open(place, world);
    const one = await makeImage(place, '1', {});
    await first.follow(one);
    await first.reported({ state: 'healthy' });
    const two = await makeImage(place, '2', {});
    await first.follow(two, plan);
    await first.state('waiting-for-permit');
    await first.permits.take([permitOf(two.imageId, 5)]);
    if (first.permits.order !== undefined) await first.permits.begin(first.permits.order);
    await first.follower.stop();
    await first.activation[Symbol.asyncDispose]();

    const next = await RolloutHost.open(place, world);
    await next.follower.look({ signal });
    await next.tell(5, 'activate', two);
    await next.reported({ epoch: 5, acted: 5, release: one.imageId, state: 'healthy' });
    expect(next.reports[0]?.number).toBeGreaterThan(first.reports.at(-1)?.number ?? 0);
    await next.state('waiting-for-permit');
    await next.tell(6, 'activate', two);
    await next.reported({ acted: 6, release: two.imageId, state: 'healthy' });
  });

  test('that fails is reported as gone back, and tried again by a new epoch alone', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    const two = await makeImage(place, '2', { start: ['bin/missing'] });
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: one.imageId, state: 'wentBack' });
    await host.state('failed');
    await host.tell(5, 'activate', two);
    await host.follower.look({ signal });
    expect(summary(await host.activation.generations())).toBe('1* healthy, 2 failed');
    await host.tell(6, 'activate', two);
    await host.reported({ acted: 6, release: one.imageId, state: 'wentBack' });
    expect(summary(await host.activation.generations())).toBe('1* healthy, 2 failed, 3 failed');
  });

  test('gives way to a newer one: what was never activated here is left', async () => {
    const place = await makePlace();
    const { host } = await runningHost(place);
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.reported({ prefetched: two.imageId });
    const three = await makeImage(place, '3', {});
    await host.follow(three, plan);
    await host.reported({ prefetched: three.imageId });
    expect(host.left).toEqual(['bimage1', two.imageId]);
  });

  test('that is being activated is ended when a newer one comes', async () => {
    const place = await makePlace();
    const { host } = await runningHost(place);
    const two = await makeHangingImage(place, '2');
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'activating' });
    await host.follow(await makeImage(place, '3', {}), plan);
    expect(host.activation.status()).toMatchObject({ generation: { imageId: two.imageId } });
    const four = await makeImage(place, '4', {});
    await host.follow(four);
    await host.reported({ release: four.imageId, state: 'healthy' });
  });
});

const permitOf = (release: string, epoch: number) => ({
  app: 'web',
  channel: 'stable',
  release,
  action: 'activate' as const,
  epoch,
  validUntil: new Date(t0 + leaseMs).toISOString(),
});

describe('a host that is sent back', () => {
  test('runs what it ran before, and stays on it until it is permitted again', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'healthy' });
    await host.tell(6, 'goBack', two);
    await host.reported({ acted: 6, release: one.imageId, state: 'healthy' });
    await host.state('waiting-for-permit');
    await host.tell(6, 'goBack', two);
    await host.follower.look({ signal });
    expect(summary(await host.activation.generations())).toBe('1* healthy, 2 healthy');
    await host.tell(7, 'activate', two);
    await host.reported({ acted: 7, release: two.imageId, state: 'healthy' });
  });

  test('in the middle of an activation breaks it off', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    const two = await makeHangingImage(place, '2');
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'activating' });
    await host.tell(6, 'goBack', two);
    await host.reported({ acted: 6, release: one.imageId, state: 'healthy' });
    const lastOnTwo = host.reports.findLast(({ release }) => release === two.imageId);
    expect(lastOnTwo).toMatchObject({ state: 'activating', acted: 5 });
  });

  test('leaves a release that it was activated to twice as a whole', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    const marker = (generation: string) => `${place.root}/ill-${generation}`;
    const two = await makeScriptImage(place, '2', 'exec sleep 1000', {
      health: {
        type: 'exec',
        command: ['sh', '-c', `test ! -e ${marker('$STARLING_GENERATION')}`],
        intervalMs: 10,
      },
    });
    await host.follow(two, plan);
    await host.state('waiting-for-permit');
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'healthy' });
    await writeFile(marker('2'), '');
    await host.reported({ release: two.imageId, state: 'failed' });
    await host.tell(6, 'activate', two);
    await host.reported({ acted: 6, release: two.imageId, state: 'healthy', generation: 3 });
    await host.tell(7, 'goBack', two);
    await host.reported({ acted: 7, release: one.imageId, state: 'healthy', generation: 1 });
  });

  test('and has nothing to go back to stays, and says so', async () => {
    const place = await makePlace();
    const world = new World();
    const host = await RolloutHost.open(place, world);
    const two = await makeImage(place, '2', {});
    await host.follow(two, plan);
    await host.reported({ state: 'empty', prefetched: two.imageId });
    await host.tell(5, 'activate', two);
    await host.reported({ acted: 5, release: two.imageId, state: 'healthy' });
    await host.tell(6, 'goBack', two);
    await host.reported({ acted: 6, release: two.imageId, state: 'healthy' });
    await host.state('failed');
    expect(host.follower.status().fault?.code).toBe('ACTIVATION_NO_GENERATION');
  });

  test('from what it does not run has nothing to do', async () => {
    const place = await makePlace();
    const { host, one } = await runningHost(place);
    await host.tell(6, 'goBack', await makeImage(place, '2', {}));
    await host.reported({ epoch: 6, acted: 6, release: one.imageId, state: 'healthy' });
    expect(summary(await host.activation.generations())).toBe('1* healthy');
  });
});
