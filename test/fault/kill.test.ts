import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StoredImage } from '../../src/image/index.ts';
import { seededRandom } from '../tools/seeded-random.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { appProcesses, recordedRun, untilNoApps } from './app-processes.ts';
import { Fleet, type FaultHost } from './fleet.ts';
import { examineHost } from './host-damage.ts';
import { earlyMoment, lateMoment, untilMoment, type Moment } from './moment.ts';
import { appSketch, bakeVersion } from './versions.ts';

const kib = 1 << 10;
const ownKib = 5 * kib;
const rounds = 5;
const killsOfARound = { early: 3, late: 2 };
/** What a kill may cost: all that was asked for and not answered, and a piece that is half here. */
const inFlightBytes = (32 * 16 + 64) * kib;

const seed = Number(process.env.STARLING_TEST_SEED ?? Date.now() % 1_000_000);

interface Figures {
  kills: number;
  killsWhileFetching: number;
}

test('a host killed at any moment of fetch or activation starts again into a whole generation', async () => {
  process.stderr.write(`kill.test: STARLING_TEST_SEED=${seed}\n`);
  const random = seededRandom(seed);
  const directory = await temporaryDirectory();
  const versions: StoredImage[] = [];
  for (let version = 1; version <= rounds + 1; version++) {
    versions.push(await bakeVersion(directory, version, appSketch(version, ownKib)));
  }
  const fleet = await Fleet.start(directory);
  const host = fleet.host(join(directory, 'host'), ['--download-limit', '2MiB']);
  const figures: Figures = { kills: 0, killsWhileFetching: 0 };
  for (const [index, image] of versions.entries()) {
    await fleet.release(image);
    const version = `${index + 1}.0.0`;
    if (index > 0) await killOften(host, image, version, random, figures);
    await arrive(host, version);
  }
  const sentBytes = await fleet.endSeeder();
  const neededBytes = uniqueBytes(versions);
  const ratio = (sentBytes / neededBytes).toFixed(3);
  process.stderr.write(
    `kill.test: ${figures.kills} kills, ${figures.killsWhileFetching} while fetching, ${ratio} x the bytes\n`,
  );
  expect(figures.kills).toBeGreaterThanOrEqual(20);
  expect(sentBytes).toBeGreaterThanOrEqual(neededBytes);
  expect(sentBytes).toBeLessThanOrEqual(neededBytes + figures.killsWhileFetching * inFlightBytes);
}, 400_000);

/** Kills the fetcher of a host that is on its way to a version, again and again. */
async function killOften(
  host: FaultHost,
  image: StoredImage,
  version: string,
  random: () => number,
  figures: Figures,
): Promise<void> {
  const { early, late } = killsOfARound;
  for (let kill = 0; kill < early + late; kill++) {
    const moment = kill < early ? earlyMoment(random) : lateMoment(random);
    const run = await killAt(moment, host, version);
    const state = await examineHost(host.channel, host.store);
    expect(state.damage, `killed ${moment.what}, on the way to ${version}`).toEqual([]);
    const before = `${parseInt(version) - 1}.0.0`;
    expect([before, version]).toContain(state.version);
    figures.kills += 1;
    if (await isIncoming(host, image)) figures.killsWhileFetching += 1;
    // Now and then the next fetcher comes while the guard is still at work.
    if (random() < 0.7) await untilNoApps(host.directory, run);
  }
}

/** @returns the run of the app that the killed fetcher left */
async function killAt(
  moment: Moment,
  host: FaultHost,
  version: string,
): Promise<string | undefined> {
  const fetcher = await host.start();
  await untilMoment(moment, fetcher, host, version);
  await fetcher.kill();
  return await recordedRun(host.channel);
}

async function isIncoming(host: FaultHost, { imageId }: StoredImage): Promise<boolean> {
  return await access(join(host.store, imageId)).then(
    () => false,
    () => true,
  );
}

/** Lets the fetcher do what is left to do, and ends it as an operator would. */
async function arrive(host: FaultHost, version: string): Promise<void> {
  const fetcher = await host.start();
  await host.untilActive(version);
  await fetcher.end();
  expect(await appProcesses(host.directory, undefined)).toEqual([]);
  expect(await examineHost(host.channel, host.store)).toMatchObject({ damage: [], version });
}

/** The sizes of all files, each content counted once. */
function uniqueBytes(images: readonly StoredImage[]): number {
  const files = images.flatMap(({ metainfo }) => metainfo.info.files);
  const sizes = new Map(files.map(({ root, sizeBytes }) => [root?.toString('hex'), sizeBytes]));
  return [...sizes.values()].reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}
