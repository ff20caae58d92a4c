import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { StoredImage } from '../../../src/image/index.ts';
import type { Priority } from '../../../src/swarm/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange, type RunningExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

/** What may come at once after a pause: 50 ms of the rate, and what one read brings. */
const burst = (bytesPerSecond: number) => bytesPerSecond * 0.05 + 512 * 1_024;

/** What may have come already and is in pieces that are not whole. */
const windowBytes = 2 << 20;

/** A host that serves one image of this size for each number. */
async function openSeed(numbers: readonly number[], sizeBytes: number, threads = 0) {
  const seed = await openExchange(await temporaryDirectory(), { threads });
  const images: StoredImage[] = [];
  for (const number of numbers) {
    const tree = { data: seededBytes(number, sizeBytes) };
    const image = await bakeSketch(await temporaryDirectory(), tree);
    seed.exchange.seed(image);
    images.push(image);
  }
  return { seed, images };
}

function fetchFrom(seed: RunningExchange, host: RunningExchange, { imageId }: StoredImage) {
  const swarm = host.exchange.fetch(imageId);
  host.exchange.addEndpoint(imageId, seed.endpoint);
  return swarm;
}

describe.each([0, 1])(
  'a limit that is changed while an image is fetched (%i threads)',
  (threads) => {
    test.each(['download', 'upload', 'swarm download', 'swarm upload'] as const)(
      'holds at once also for what waits: %s',
      async (which) => {
        const { seed, images } = await openSeed([1], 6_000_000, threads);
        const [image] = images as [StoredImage];
        const host = await openExchange(await temporaryDirectory(), { threads });
        const set = (rate: number) => {
          if (which === 'download') host.exchange.setLimits({ downloadBytesPerSecond: rate });
          else if (which === 'upload') seed.exchange.setLimits({ uploadBytesPerSecond: rate });
          else if (which === 'swarm upload') {
            seed.exchange.setSwarmLimits(image.imageId, { uploadBytesPerSecond: rate });
          } else host.exchange.setSwarmLimits(image.imageId, { downloadBytesPerSecond: rate });
        };
        const swarm = fetchFrom(seed, host, image);
        set(2_000_000);
        await host.until(({ verifiedBytes }) => verifiedBytes > 0);
        // By this limit each wait is longer than this test may take; it has begun after a moment.
        set(1_000);
        await delay(200);
        expect(swarm.isWhole).toBe(false);
        const startedMs = performance.now();
        const before = swarm.status().verifiedBytes;
        const rate = 10_000_000;
        set(rate);
        await swarm.completed;
        const tookSeconds = (performance.now() - startedMs) / 1_000;
        // What had come before was not all verified yet.
        const cameBytes = swarm.status().verifiedBytes - before;
        expect(cameBytes).toBeLessThanOrEqual(rate * tookSeconds + burst(rate) + windowBytes);
      },
    );

    test('holds back what went freely before', async () => {
      const { seed, images } = await openSeed([1], 24_000_000, threads);
      const host = await openExchange(await temporaryDirectory(), {
        threads,
        downloadBytesPerSecond: 16_000_000,
      });
      const swarm = fetchFrom(seed, host, images[0]!);
      await host.until(({ verifiedBytes }) => verifiedBytes > 1_000_000);
      const rate = 2_000_000;
      host.exchange.setLimits({ downloadBytesPerSecond: rate });
      const startedMs = performance.now();
      const before = swarm.status().verifiedBytes;
      const { verifiedBytes } = await host.until((now) => now.verifiedBytes > before + 2_000_000);
      const tookSeconds = (performance.now() - startedMs) / 1_000;
      const cameBytes = verifiedBytes - before;
      expect(cameBytes).toBeLessThanOrEqual(rate * tookSeconds + burst(rate) + windowBytes);
      expect(swarm.isWhole).toBe(false);
    });
  },
);

describe('of two images that are fetched over one limited link', () => {
  const sizeBytes = 12_000_000;
  // Enough that what was asked for before the change matters little.
  const comparedBytes = 6_000_000;

  /** @returns how much came of the second while so much came of the first */
  async function otherWhile(first: Priority, second: Priority): Promise<number> {
    const { seed, images } = await openSeed([1, 2], sizeBytes);
    const host = await openExchange(await temporaryDirectory(), {
      downloadBytesPerSecond: 8_000_000,
    });
    const swarms = images.map((image) => fetchFrom(seed, host, image));
    const verified = () => swarms.map((swarm) => swarm.status().verifiedBytes) as [number, number];
    await host.until(() => verified().every((bytes) => bytes > 0));
    for (const [index, priority] of [first, second].entries()) {
      host.exchange.setSwarmLimits(images[index]?.imageId ?? '', { priority });
    }
    const [one, two] = verified();
    await host.until(() => verified()[0] > one + comparedBytes);
    const received = verified()[1] - two;
    await swarms[1]?.completed;
    return received;
  }

  test.each<[Priority, Priority]>([
    ['high', 'low'],
    ['high', 'normal'],
    ['normal', 'low'],
  ])('the %s one gets most, also when it is told late, and the %s one goes on', async (...both) => {
    const received = await otherWhile(...both);
    expect(received).toBeLessThan(comparedBytes / 2);
  });

  test('none is preferred without being told', async () => {
    const received = await otherWhile('low', 'low');
    expect(received).toBeGreaterThan(comparedBytes / 3);
    expect(received).toBeLessThan(comparedBytes * 3);
  });
});

test('an exchange tells its present limits, of all and of each swarm', async () => {
  const { seed, images } = await openSeed([1], 1_000);
  const { exchange } = seed;
  const imageId = images[0]?.imageId ?? '';
  const none = { uploadBytesPerSecond: Infinity, downloadBytesPerSecond: Infinity };
  expect(exchange.limits).toEqual(none);
  expect(exchange.swarmLimits(imageId)).toEqual({ ...none, priority: 'normal' });
  exchange.setLimits({ uploadBytesPerSecond: 5 });
  exchange.setSwarmLimits(imageId, { downloadBytesPerSecond: 7, priority: 'high' });
  expect(exchange.limits).toEqual({ ...none, uploadBytesPerSecond: 5 });
  expect(exchange.swarmLimits(imageId)).toEqual({
    uploadBytesPerSecond: Infinity,
    downloadBytesPerSecond: 7,
    priority: 'high',
  });
  exchange.setSwarmLimits(imageId, { downloadBytesPerSecond: Infinity });
  expect(exchange.swarmLimits(imageId)).toEqual({ ...none, priority: 'high' });
});

test('an image that is in no swarm here has no limits', async () => {
  const { exchange } = await openExchange(await temporaryDirectory());
  const unknown = expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error;
  expect(() => exchange.swarmLimits('b')).toThrow(unknown);
  expect(() => {
    exchange.setSwarmLimits('b', {});
  }).toThrow(unknown);
});
