import { expect, test } from 'vitest';
import { Bitfield } from '../../../src/policy/index.ts';
import { DataLanes } from '../../../src/swarm/data/data-lanes.ts';
import type { DataCommand } from '../../../src/swarm/data/data-protocol.ts';
import { ImageLayout } from '../../../src/swarm/data/image-layout.ts';
import { SharedRate } from '../../../src/swarm/data/shared-rate.ts';
import { SwarmData } from '../../../src/swarm/swarm-data.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

/** Lanes that note what all of them are told. */
class NotingLanes extends DataLanes {
  readonly posted: DataCommand[] = [];
  readonly closed: number[] = [];

  constructor() {
    super(
      { onAccepted: () => undefined, onEvent: () => undefined, onDeath: () => undefined },
      {
        threads: 0,
        maxConnections: 1,
        cacheBytes: 0,
        uploadBytesPerSecond: Infinity,
        downloadBytesPerSecond: Infinity,
        tls: undefined,
      },
    );
  }

  override postAll(command: DataCommand): void {
    this.posted.push(command);
  }

  override closeImage(image: number): Promise<void> {
    this.closed.push(image);
    return Promise.resolve();
  }
}

async function opened() {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, {
    large: seededBytes(1, 700_000),
    empty: '',
    'd/small': 'x',
  });
  const lanes = new NotingLanes();
  const data = new SwarmData({ lanes }, { key: 3 });
  const { pieceCount } = image.metainfo.info;
  const held = new Bitfield(pieceCount);
  held.add(1);
  data.open(image.metainfo, image.tree, held);
  const [command] = lanes.posted;
  if (command?.type !== 'openImage') throw new Error('the image was not opened');
  return { image, lanes, data, command, layout: new ImageLayout(command.layout), pieceCount };
}

test('an image is opened with what lies where, and with what of it is held', async () => {
  const { image, command, layout, pieceCount, lanes } = await opened();
  expect(command).toMatchObject({ image: 3, tree: image.tree });
  expect(layout.data.pieceCount).toBe(pieceCount);
  const paths = Array.from(layout.data.startBytes, (_, file) => layout.pathOf(file));
  // An empty file has no bytes to say anything of.
  const withBytes = image.metainfo.info.files.filter(({ sizeBytes }) => sizeBytes > 0);
  expect(paths).toEqual(withBytes.map(({ path }) => path));
  for (let piece = 0; piece < pieceCount; piece++) expect(layout.has(piece)).toBe(piece === 1);
  await lanes.end();
});

test('what is held later is seen without telling anybody', async () => {
  const { data, layout, lanes, pieceCount } = await opened();
  data.setHeld(0, true);
  expect([layout.has(0), layout.has(1)]).toEqual([true, true]);
  data.setAllHeld(new Bitfield(pieceCount));
  expect([layout.has(0), layout.has(1)]).toEqual([false, false]);
  expect(lanes.posted).toHaveLength(1);
  await lanes.end();
});

test('limits change in the memory that the threads share, shares are told when they change', async () => {
  const { data, command, lanes } = await opened();
  data.setLimits({ uploadBytesPerSecond: 5, priority: 'high' });
  expect(new SharedRate(command.uploadRate).bytesPerSecond).toBe(5);
  expect(new SharedRate(command.downloadRate).bytesPerSecond).toBe(Infinity);
  expect(data.weight).toBe(16);
  for (const share of [1, 0.25, 0.25]) data.setShare(share);
  const shares = lanes.posted.filter(({ type }) => type === 'shareImage');
  expect(shares).toEqual([{ type: 'shareImage', image: 3, share: 0.25 }]);
  await lanes.end();
});

test('an image is closed once, and only if it was opened', async () => {
  const { data, lanes } = await opened();
  await data.close();
  await data.close();
  await new SwarmData({ lanes }, { key: 9 }).close();
  expect(lanes.closed).toEqual([3]);
  await lanes.end();
});
