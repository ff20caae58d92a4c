import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { StoredImage } from '../../../src/image/index.ts';
import { trackerOrder } from '../../../src/swarm/tracker-order.ts';
import type { Tracker } from '../../../tracker/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { eventually } from '../../tools/eventually.ts';
import { openExchange, type RunningExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { runNewTracker, runTracker } from '../tracker/running-tracker.ts';

/** Far less than the interval that a whole host is told. */
const deadlineMs = 8_000;

const shortHash = ({ metainfo }: StoredImage) => metainfo.info.infoHash.subarray(0, 20);

/** The ports that are in a swarm, says a tracker. */
async function portsAt(tracker: Tracker, image: StoredImage): Promise<number[]> {
  const token = (await readFile(tracker.tokenPath, 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}` };
  const url = `${tracker.url}/v1/swarms/${shortHash(image).toString('hex')}`;
  const response = await fetch(url, { headers });
  if (response.status === 404) return [];
  const { peers } = (await response.json()) as { peers: { port: number }[] };
  return peers.map(({ port }) => port).toSorted();
}

/** Waits until a tracker knows just these hosts in a swarm. */
async function knows(
  tracker: Tracker,
  image: StoredImage,
  hosts: readonly RunningExchange[],
): Promise<void> {
  const wanted = hosts.map(({ endpoint }) => endpoint.port).toSorted();
  const same = async () => {
    const ports = await portsAt(tracker, image);
    return ports.join() === wanted.join() ? true : undefined;
  };
  await eventually(`${tracker.url} knows ${wanted.length} hosts`, same, { deadlineMs });
}

/** Two trackers, and how to bake an image that one of them is responsible for. */
async function openFleet() {
  const { tracker: first, directory } = await runNewTracker({ udp: false });
  const { tracker: other } = await runNewTracker({ udp: false });
  const trackers = [first.url, other.url];
  const bakeFor = async ({ url }: Tracker, sizeBytes: number) => {
    for (let seed = 1; ; seed++) {
      const folder = await temporaryDirectory();
      const image = await bakeSketch(folder, { data: seededBytes(seed, sizeBytes) });
      if (trackerOrder(trackers, shortHash(image))[0] === url) return { image, folder };
    }
  };
  /** Starts the first one again, where it was. */
  const restart = async () => {
    const { port } = first;
    return (await runTracker({ directory, port, udp: false })).tracker;
  };
  return { first, other, trackers, bakeFor, restart };
}

test('each swarm is announced to the tracker that is responsible for it, and to no other', async () => {
  const { first, other, trackers, bakeFor } = await openFleet();
  const baked = [await bakeFor(first, 100_000), await bakeFor(other, 100_000)] as const;
  const host = await openExchange(await temporaryDirectory(), { trackers });
  const seeds = await Promise.all(
    baked.map(async ({ image, folder }) => {
      const seed = await openExchange(folder, { trackers });
      seed.exchange.seed(image);
      return seed;
    }),
  );
  await Promise.all(baked.map(({ image }) => host.exchange.fetch(image.imageId).completed));
  for (const [index, { image }] of baked.entries()) {
    const [own, foreign] = index === 0 ? [first, other] : [other, first];
    const hosts = [host, ...seeds.slice(index, index + 1)];
    await knows(own, image, hosts);
    await knows(foreign, image, []);
  }
});

test('when the tracker that is responsible goes, its swarms go to the next; when it is back, they return', async () => {
  const { first, other, trackers, bakeFor, restart } = await openFleet();
  const { image, folder } = await bakeFor(first, 1 << 20);
  const { imageId } = image;
  const init = { trackers };
  const seed = await openExchange(folder, { ...init, uploadBytesPerSecond: 1 << 19 });
  seed.exchange.seed(image);
  const open = async () => openExchange(await temporaryDirectory(), init);
  const hosts = [await open(), await open()];
  const swarms = hosts.map(({ exchange }) => exchange.fetch(imageId));
  await Promise.all(hosts.map((host) => host.until(({ verifiedPieces }) => verifiedPieces > 0)));
  await knows(first, image, [seed, ...hosts]);
  await knows(other, image, []);

  await first[Symbol.asyncDispose]();
  await knows(other, image, [seed, ...hosts]);
  expect(swarms.some(({ isWhole }) => isWhole)).toBe(false);
  const late = await open();
  const lateSwarm = late.exchange.fetch(imageId);
  await late.until(({ verifiedPieces }) => verifiedPieces > 0);

  const again = await restart();
  await Promise.all([...swarms, lateSwarm].map((swarm) => swarm.completed));
  await knows(again, image, [seed, ...hosts, late]);
  await knows(other, image, []);
});
