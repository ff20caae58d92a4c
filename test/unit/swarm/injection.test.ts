import { expect, test } from 'vitest';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { runNewTracker } from '../tracker/running-tracker.ts';

test('a seed sends an image to a fleet that waits for it little more than once', async () => {
  const { tracker } = await runNewTracker({ udp: false });
  const image = await bakeSketch(await temporaryDirectory(), { data: seededBytes(1, 16 << 20) });
  const { imageId, metainfo } = image;
  const init = { trackers: [tracker.url], uploadBytesPerSecond: 8 << 20 };
  const open = async () => openExchange(await temporaryDirectory(), init);
  const hosts = await Promise.all(Array.from({ length: 6 }, open));
  const swarms = hosts.map(({ exchange }) => exchange.fetch(imageId, { metainfo }));
  const seed = await open();
  const seeding = seed.exchange.seed(image);
  await Promise.all(swarms.map((swarm) => swarm.completed));
  const copies = seeding.status().sentBytes / metainfo.info.sizeBytes;
  expect(copies).toBeLessThan(1.3);
  expect(seeding.status().isOut).toBe(true);
});
