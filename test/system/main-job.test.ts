import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { failureOf, resultOf, runProgram } from './ended-program.ts';
import type { ProgramEvent } from './running-program.ts';
import { askApp, TestFleet, untilActive, type BakedImage, type TestHost } from './test-fleet.ts';

const channel = 'hello/stable';

interface Listed {
  readonly number: number;
  readonly version: string;
  readonly state: string;
  readonly current: boolean;
}

/** The generations of a host, as an operator lists them: "1 1.0.0 healthy", the current with *. */
async function generationsOf(host: TestHost): Promise<string[]> {
  const found = await resultOf('fetcher', ['generations', '--dir', host.directory]);
  return (found.generations as Listed[]).map(
    ({ number, version, state, current }) => `${number} ${version} ${state}${current ? ' *' : ''}`,
  );
}

/** How many bytes of an image a host has received, all told; it keeps the image's swarm. */
async function receivedBytesOf(host: TestHost, image: BakedImage): Promise<number> {
  const status = await resultOf('fetcher', ['status', '--dir', host.directory]);
  const swarms = status.swarms as { imageId: string; receivedBytes: number }[];
  const swarm = swarms.find(({ imageId }) => imageId === image.id);
  return swarm?.receivedBytes ?? NaN;
}

const isFault =
  (code: string) =>
  (event: ProgramEvent): boolean =>
    event.event === 'fault' && event.code === code;

/** Waits until a host knows of a release and does nothing about it. */
const untilLeft = (host: TestHost, { version }: BakedImage): Promise<true> =>
  eventually(`release of ${version} is known and left`, async () => {
    const status = await resultOf('fetcher', ['status', '--dir', host.directory]);
    const [channel] = status.channels as [{ state: string; release?: { version: string } }];
    return channel.state === 'following' && channel.release?.version === version ? true : undefined;
  });

/** The versions that a fetcher has begun to move to. */
const releasesOf = (host: TestHost): unknown[] =>
  host.fetcher.events
    .filter(({ event }) => event === 'release')
    .map(({ release }) => (release as BakedImage).version);

test('two hosts follow: a release, an update, and one that is not healthy', async () => {
  const fleet = await TestFleet.start();
  const first = await fleet.bake('1.0.0');
  const second = await fleet.bake('2.0.0');
  const broken = await fleet.bake('3.0.0', { healthy: false });
  const fourth = await fleet.bake('4.0.0');
  await fleet.seed();
  const hosts = [await fleet.follow('one'), await fleet.follow('two')];

  expect(await fleet.release(first)).toMatchObject({ release: 1, imageId: first.id });
  for (const host of hosts) {
    await untilActive(host, first);
    expect(await askApp(host)).toMatchObject({ version: '1.0.0' });
    expect(await receivedBytesOf(host, first)).toBeGreaterThanOrEqual(1_000_000);
  }

  expect(await fleet.release(second)).toMatchObject({ release: 2, version: '2.0.0' });
  for (const host of hosts) {
    await untilActive(host, second);
    expect(await askApp(host)).toMatchObject({ version: '2.0.0' });
    expect(await receivedBytesOf(host, second)).toBeLessThan(10_000);
    expect(await generationsOf(host)).toEqual(['1 1.0.0 healthy', '2 2.0.0 healthy *']);
  }

  await fleet.release(broken);
  for (const host of hosts) {
    const fault = await host.fetcher.until('v3 fails', isFault('ACTIVATION_UNHEALTHY'));
    expect(fault).toMatchObject({ app: 'hello', channel: 'stable', state: 'failed' });
    expect(await askApp(host)).toMatchObject({ version: '2.0.0' });
    expect((await generationsOf(host)).slice(-2)).toEqual(['2 2.0.0 healthy *', '3 3.0.0 failed']);
  }

  await fleet.release(fourth);
  for (const host of hosts) {
    await untilActive(host, fourth);
    expect(await askApp(host)).toMatchObject({ version: '4.0.0' });
    expect(releasesOf(host)).toEqual(['1.0.0', '2.0.0', '3.0.0', '4.0.0']);
  }
});

test('a release that failed is not tried again, also not by the next fetcher', async () => {
  const fleet = await TestFleet.start();
  const first = await fleet.bake('1.0.0');
  const broken = await fleet.bake('2.0.0', { healthy: false });
  const third = await fleet.bake('3.0.0');
  await fleet.seed();
  const host = await fleet.follow('host');
  await fleet.release(first);
  await untilActive(host, first);
  await fleet.release(broken);
  await host.fetcher.until('v2 fails', isFault('ACTIVATION_UNHEALTHY'));
  expect(await host.fetcher.end()).toBe(0);

  const again = await fleet.followAgain(host);
  await untilLeft(again, broken);
  expect(await askApp(again)).toMatchObject({ version: '1.0.0' });
  await fleet.release(third);
  await untilActive(again, third);
  expect(releasesOf(again)).toEqual(['3.0.0']);
});

test('an operator goes back, and the release that was left is not activated again', async () => {
  const fleet = await TestFleet.start();
  const images = [
    await fleet.bake('1.0.0'),
    await fleet.bake('2.0.0'),
    await fleet.bake('3.0.0'),
  ] as const;
  const fourth = await fleet.bake('4.0.0');
  await fleet.seed();
  const host = await fleet.follow('host', { args: ['--keep', '5'] });
  for (const image of images) {
    await fleet.release(image);
    await untilActive(host, image);
  }
  const where = ['--dir', host.directory];

  const back = await resultOf('fetcher', ['rollback', channel, ...where]);
  expect(back).toMatchObject({ generation: { number: 2, version: '2.0.0', state: 'healthy' } });
  expect(await askApp(host)).toMatchObject({ version: '2.0.0' });
  const text = await runProgram('fetcher', ['rollback', channel, '--to', '1', ...where]);
  expect([text.code, text.stdout]).toEqual([
    0,
    `${channel} is back at generation 1, version 1.0.0\n`,
  ]);
  expect(await askApp(host)).toMatchObject({ version: '1.0.0' });

  const none = await failureOf('fetcher', ['rollback', channel, ...where]);
  expect(none).toMatchObject({ exit: 1, code: 'ACTIVATION_NO_GENERATION' });
  const unknown = await failureOf('fetcher', ['rollback', channel, '--to', '99', ...where]);
  expect(unknown).toMatchObject({ exit: 1, code: 'ACTIVATION_NO_GENERATION' });
  expect(unknown.message).toContain('99');
  const other = await failureOf('fetcher', ['rollback', 'other/stable', ...where]);
  expect(other).toMatchObject({ exit: 2 });
  expect(await askApp(host)).toMatchObject({ version: '1.0.0' });

  // Release 3 stays left, also for the next fetcher; a newer one is activated.
  await host.fetcher.end();
  const again = await fleet.followAgain(host);
  await untilLeft(again, images[2]);
  expect(await askApp(again)).toMatchObject({ version: '1.0.0' });
  await fleet.release(fourth);
  await untilActive(again, fourth);
  expect(releasesOf(again)).toEqual(['4.0.0']);

  // The same image released again is a newer release, and so is wanted again.
  await fleet.release(images[2]);
  await untilActive(again, images[2]);
});

test('status and generations tell people and scripts the same, with and without a fetcher', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  await fleet.seed();
  await fleet.release(image);
  const host = await fleet.follow('host');
  await untilActive(host, image);
  const where = ['--dir', host.directory];

  const status = await resultOf('fetcher', ['status', ...where]);
  expect(status).toMatchObject({
    running: true,
    pid: host.fetcher.pid,
    channels: [
      {
        app: 'hello',
        channel: 'stable',
        release: { number: 1, imageId: image.id, version: '1.0.0' },
        activation: { state: 'running', generation: 1, version: '1.0.0', restarts: 0 },
      },
    ],
    swarms: [{ imageId: image.id, name: 'hello', verifiedBytes: image.bytes }],
  });
  const text = await runProgram('fetcher', ['status', ...where]);
  expect(text.code).toBe(0);
  expect(text.stdout).toContain(`process ${host.fetcher.pid}`);
  expect(text.stdout).toContain(`${channel}: running, generation 1, version 1.0.0; following`);
  const listed = await runProgram('fetcher', ['generations', ...where]);
  expect(listed.stdout).toBe(`* ${channel} 1  version 1.0.0  release 1  healthy\n`);

  await host.fetcher.end();
  expect(await resultOf('fetcher', ['status', ...where])).toMatchObject({
    running: false,
    channels: [{ activation: { state: 'stopped', generation: 1, version: '1.0.0' } }],
  });
  expect((await runProgram('fetcher', ['status', ...where])).stdout).toContain('no fetcher runs');
  expect((await runProgram('fetcher', ['generations', ...where])).stdout).toBe(listed.stdout);
});

test('a fetcher starts its generation again without a tracker and without fetching', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  const { seeder } = await fleet.seed();
  await fleet.release(image);
  const host = await fleet.follow('host');
  await untilActive(host, image);
  const { pid } = await askApp(host);
  await host.fetcher.end();
  await seeder.end();
  await fleet.tracker.end();

  const again = await fleet.followAgain(host);
  const answer = await askApp(again);
  expect(answer.version).toBe('1.0.0');
  expect(answer.pid).not.toBe(pid);
  await again.fetcher.until('the tracker is missed', ({ event, message }) => {
    return event === 'warning' && String(message).includes("can't be reached");
  });
  expect(await receivedBytesOf(again, image)).toBe(0);
  expect(await generationsOf(again)).toEqual(['1 1.0.0 healthy *']);

  // And it goes on following as soon as there is a tracker again.
  const second = await fleet.bake('2.0.0');
  await fleet.startTrackerAgain();
  await fleet.seed();
  await fleet.release(second);
  await untilActive(again, second);
});

test('what is being fetched is fetched to its end without the tracker', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  await fleet.seed(['--upload-limit', '200kB']);
  const host = await fleet.follow('host');
  await fleet.release(image);
  await host.fetcher.until('some of it is here', ({ swarm }) => {
    const { verifiedBytes = 0 } = (swarm ?? {}) as { verifiedBytes?: number };
    return verifiedBytes > 0 && verifiedBytes < image.bytes;
  });
  await fleet.tracker.end();
  await untilActive(host, image);
  expect(await askApp(host)).toMatchObject({ version: '1.0.0' });
});

test('a release whose seeder comes later is fetched when it comes', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  await fleet.release(image);
  const host = await fleet.follow('host');
  await host.fetcher.untilEvent('release');
  await fleet.seed();
  await untilActive(host, image);
});

test('one image is fetched by its id from a tracker, by its magnet link, and from a peer', async () => {
  const fleet = await TestFleet.start();
  const image = await fleet.bake('1.0.0');
  const { port } = await fleet.seed();
  const source = await describeTree(join(fleet.store, image.id, 'hello'));
  const tracked = `${image.magnet}&tr=${encodeURIComponent(`${fleet.url}/announce`)}`;
  const ways = [
    [image.id, '--tracker', fleet.url],
    [image.magnet, '--tracker', fleet.url],
    [tracked],
    [image.id, '--peer', `127.0.0.1:${port}`],
  ];
  for (const [index, way] of ways.entries()) {
    const where = ['--dir', join(fleet.directory, `fetched-${index}`), '--host', '127.0.0.1'];
    where.push(...fleet.sealedArgs('host'));
    const fetched = await resultOf('fetcher', ['fetch', ...way, ...where]);
    expect(fetched).toMatchObject({ id: image.id, bytes: image.bytes, reusedBytes: 0 });
    expect(await describeTree(String(fetched.tree))).toEqual(source);
    const again = await resultOf('fetcher', ['fetch', ...way, ...where]);
    expect(again).toMatchObject({ id: image.id, receivedBytes: 0 });
  }
});
