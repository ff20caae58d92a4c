import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { FetcherStatus } from '../../src/api/index.ts';
import type { StoredImage } from '../../src/image/index.ts';
import { eventually } from '../tools/eventually.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { describeWithDisks } from './disk-test.ts';
import { Fleet, type FaultHost } from './fleet.ts';
import { examineHost } from './host-damage.ts';
import type { KillableProgram, ProgramLine } from './killable-program.ts';
import { Ext4Disk, MemoryDisk } from './mounted-disk.ts';
import { appSketch, bakeVersion } from './versions.ts';

const kib = 1 << 10;
const ownKib = 5 * kib;
const roomyKib = 64 * kib;
/** What may be received in all, as a part of the image. */
const mostReceived = 1.05;
const goesOnWithinMs = 30_000;

interface Place {
  readonly directory: string;
  readonly fleet: Fleet;
  readonly image: StoredImage;
}

type SwarmStatus = FetcherStatus['swarms'][number];

await describeWithDisks('a full disk', () => {
  test('pauses the fetch, which asks for nothing twice and goes on when there is room', async () => {
    const place = await makePlace();
    const { sizeBytes } = place.image.metainfo.info;
    const disk = await MemoryDisk.create(join(place.directory, 'disk'), sizeBytes / 2 / kib);
    const host = place.fleet.host(join(disk.path, 'host'));
    const fetcher = await host.start();
    expect((await untilPaused(host)).reason).toContain('no space is left');
    // What was asked for still comes, is kept in memory, and is counted within half a second.
    await untilTriedAgain(host, 2);
    const paused = await untilPaused(host);
    await untilTriedAgain(host, 6);
    const still = await untilPaused(host);
    expect(still.receivedBytes).toBe(paused.receivedBytes);
    expect(still.verifiedBytes).toBeLessThan(sizeBytes);
    await disk.resize(roomyKib);
    await untilItWentOn(host, fetcher);
    await expectWhole(place, host, fetcher);
  }, 240_000);

  test('pauses nothing when there is room', async () => {
    const place = await makePlace();
    const disk = await MemoryDisk.create(join(place.directory, 'disk'), roomyKib);
    const host = place.fleet.host(join(disk.path, 'host'));
    const fetcher = await host.start();
    await expectWhole(place, host, fetcher);
    expect(fetcher.lines.map((line) => stateOf(line))).not.toContain('paused');
  }, 240_000);

  test('that shows only when the content is synced never lets a damaged image into the store', async () => {
    const place = await makePlace();
    const { sizeBytes } = place.image.metainfo.info;
    const below = await MemoryDisk.create(join(place.directory, 'below'), roomyKib);
    const backing = join(below.path, 'backing');
    const disk = await Ext4Disk.create(join(place.directory, 'disk'), backing, 48);
    // The backing file has holes: writing succeeds, and then there is no room for what was written.
    await below.resize((await below.usedKib()) + sizeBytes / 2 / kib);
    const host = place.fleet.host(join(disk.path, 'host'));
    const fetcher = await host.start();
    const paused = await untilPaused(host);
    expect(paused.reason).toContain('no space is left');
    await untilTriedAgain(host, 12);
    // What was lost is not asked for again while there is no room for it.
    const sent = (await untilPaused(host)).receivedBytes;
    expect(sent).toBeLessThanOrEqual(1.05 * sizeBytes);
    await below.resize(2 * roomyKib);
    await untilItWentOn(host, fetcher);
    await host.untilActive('1.0.0');
    await fetcher.end();
    // What is on the disk counts, not what the kernel still has in memory.
    await disk.unmount();
    await disk.mountAgain();
    expect(await examineHost(host.channel, host.store)).toMatchObject({ damage: [], number: 1 });
  }, 240_000);
});

async function makePlace(): Promise<Place> {
  const directory = await temporaryDirectory();
  const image = await bakeVersion(directory, 1, appSketch(1, ownKib));
  const fleet = await Fleet.start(directory);
  await fleet.release(image);
  return { directory, fleet, image };
}

const stateOf = (line: ProgramLine): string | undefined =>
  (line.swarm as { state?: string } | undefined)?.state;

async function untilPaused(host: FaultHost): Promise<SwarmStatus> {
  return await eventually('the fetch is paused', async () => {
    const swarm = (await host.status())?.swarms[0];
    return swarm?.state === 'paused' ? swarm : undefined;
  });
}

/** Watches that the fetch stays paused for longer than its pause between two tries. */
async function untilTriedAgain(host: FaultHost, seconds: number): Promise<void> {
  const fromMs = performance.now();
  await eventually('it stays paused', async () => {
    await untilPaused(host);
    return performance.now() - fromMs > seconds * 1_000 ? true : undefined;
  });
}

async function untilItWentOn(host: FaultHost, fetcher: KillableProgram): Promise<void> {
  await eventually(
    'the fetch goes on',
    async () => {
      const state = (await host.status())?.swarms[0]?.state;
      return state === 'paused' ? undefined : state;
    },
    { deadlineMs: goesOnWithinMs },
  );
  expect(fetcher.ended).toBe(false);
}

/** The image becomes active, is what was baked, and cost little more than its bytes. */
async function expectWhole(
  { fleet, image }: Place,
  host: FaultHost,
  fetcher: KillableProgram,
): Promise<void> {
  await host.untilActive('1.0.0');
  await fetcher.end();
  expect(await examineHost(host.channel, host.store)).toMatchObject({ damage: [], number: 1 });
  const { sizeBytes } = image.metainfo.info;
  const ratio = (await fleet.endSeeder()) / sizeBytes;
  process.stderr.write(`full-disk.test: ${ratio.toFixed(3)} x the bytes\n`);
  expect(ratio).toBeLessThanOrEqual(mostReceived);
}
