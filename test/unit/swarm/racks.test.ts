import { expect, test } from 'vitest';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { runNewTracker } from '../tracker/running-tracker.ts';

const racks = ['r1', 'r2'];
const hostsPerRack = 9;
/** Of a rack, as the graph has it. */
const gateways = 6;

test('only the gateways of a rack receive from other racks', async () => {
  const { tracker } = await runNewTracker({ udp: false });
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, { data: seededBytes(1, 2 << 20) });
  const { imageId } = image;
  const open = async (rack: string, at?: string) =>
    openExchange(at ?? (await temporaryDirectory()), {
      trackers: [tracker.url],
      place: { zone: 'z', rack },
    });
  const places = racks.flatMap((rack) => Array.from({ length: hostsPerRack }, () => rack));
  const hosts = await Promise.all(places.map((rack) => open(rack)));
  const swarms = hosts.map(({ exchange }) => exchange.fetch(imageId));
  // In a rack of its own, so that each piece has to come from outside.
  const seed = await open('r0', directory);
  seed.exchange.seed(image);
  await Promise.all(swarms.map((swarm) => swarm.completed));
  for (const rack of racks) {
    const there = swarms.filter((_, index) => places[index] === rack);
    const fromOutside = there.filter((swarm) => swarm.status().receivedFrom.zone > 0);
    expect(fromOutside.length).toBeGreaterThan(0);
    expect(fromOutside.length).toBeLessThanOrEqual(gateways);
  }
});
