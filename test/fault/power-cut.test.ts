import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { seededRandom } from '../tools/seeded-random.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { ActivatingChild } from './activating-child.ts';
import { describeWithDisks } from './disk-test.ts';
import { channelOf, openOnce } from './host-activation.ts';
import { examineHost } from './host-damage.ts';
import { Ext4Disk } from './mounted-disk.ts';
import { bakeVersion, contentSketch } from './versions.ts';

const seed = Number(process.env.STARLING_TEST_SEED ?? Date.now() % 1_000_000);
const cuts = 20;
const controlTries = 5;
const diskMib = 64;
const silent = pino({ level: 'silent' });

interface Place {
  /** The store that the images come from; its disk keeps its power. */
  readonly source: string;
  readonly host: string;
  readonly disk: Ext4Disk;
}

await describeWithDisks('a power cut', () => {
  test('leaves a whole generation, as new as the last one that was acknowledged', async () => {
    process.stderr.write(`power-cut.test: STARLING_TEST_SEED=${seed}\n`);
    const random = seededRandom(seed);
    const { source, host, disk } = await makePlace();
    let newest = 0;
    for (let cut = 1; cut <= cuts; cut++) {
      const child = new ActivatingChild(host, source, 'durable');
      await child.untilActivated(newest === 0 || random() < 0.5 ? 1 : 0);
      // Not to let time pass: the fault happens at a random time.
      await sleep(random() * 1_500);
      await disk.cutPower();
      await child.kill();
      await disk.unmount();
      await disk.mountAgain();
      newest = Math.max(newest, child.acknowledged ?? 0);
      const state = await examineHost(channelOf(host), join(host, 'store'));
      expect(state.damage, `cut ${cut}, seed ${seed}`).toEqual([]);
      expect(state.number).toBeGreaterThanOrEqual(newest);
      const report = await openOnce(host, silent);
      expect(report.current?.number).toBe(state.number);
      expect(report.wentBackFrom).toBeUndefined();
    }
    process.stderr.write(`power-cut.test: ${cuts} cuts, ${newest} activations\n`);
    expect(newest).toBeGreaterThanOrEqual(cuts / 4);
  }, 400_000);

  test('destroys what was written without syncing it', async () => {
    const { source, host, disk } = await makePlace();
    const damage: string[] = [];
    for (let tries = 0; tries < controlTries && damage.length === 0; tries++) {
      const child = new ActivatingChild(host, source, 'careless');
      await child.untilActivated(2);
      await disk.commitJournal();
      await disk.cutPower();
      await child.kill();
      await disk.unmount();
      await disk.mountAgain();
      damage.push(...(await examineHost(channelOf(host), join(host, 'store'))).damage);
    }
    process.stderr.write(`power-cut.test: without syncing: ${damage.slice(0, 3).join('; ')}\n`);
    expect(damage).not.toEqual([]);
  }, 120_000);
});

async function makePlace(): Promise<Place> {
  const directory = await temporaryDirectory();
  // Few files are synced one by one, many by their file system.
  const sketches = [
    contentSketch(1, 700, 12),
    contentSketch(2, 500, 120),
    contentSketch(3, 900, 8),
  ];
  for (const [index, sketch] of sketches.entries()) {
    await bakeVersion(directory, index + 1, sketch);
  }
  const host = join(directory, 'disk');
  const disk = await Ext4Disk.create(host, join(directory, 'backing'), diskMib);
  return { source: join(directory, 'store'), host, disk };
}
