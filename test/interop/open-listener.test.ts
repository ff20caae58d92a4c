import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  encodeTorrent,
  encodeV1Torrent,
  magnetLink,
  makeV1Torrent,
  v1MagnetLink,
  type StoredImage,
} from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import type { TreeSketch } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { aria2Client, fetchByTracker } from './aria2-client.ts';
import { carriedTree } from './carried-tree.ts';
import { describeWithProgram } from './installed.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { plainTree } from './plain-tree.ts';
import { startSeeder } from './program.ts';
import { runTracker } from './running-tracker.ts';
import type { TorrentClient, TorrentSource } from './torrent-client.ts';
import { transmissionClient } from './transmission-client.ts';
import { plainWebtorrentClient } from './webtorrent-client.ts';

const pieceSizeBytes = 32 << 10;
const sketch: TreeSketch = {
  large: seededBytes(1, 40 * pieceSizeBytes + 1_234),
  'lib/small': 'small',
  'lib/empty': '',
  'lib/caf\u00e9/\u{1f680}': 'beyond ASCII',
  'lib/piece': seededBytes(2, pieceSizeBytes),
  'bin/run': { executable: '#!/bin/sh\nexit 0\n' },
  'bin/also': { link: 'run' },
  programs: { link: 'bin' },
  zero: '',
};

const baked = async (hybrid: boolean): Promise<StoredImage> =>
  bakeSketch(await temporaryDirectory(), sketch, { hybrid, pieceSizeBytes });

async function expectFetched(
  into: string,
  image: StoredImage,
  client: TorrentClient,
): Promise<void> {
  const fetched = await plainTree(join(into, image.metainfo.info.name), client);
  expect(fetched).toEqual(await plainTree(image.tree, client));
}

/** The client knows our seeder alone, and gets the files of the image from its open listener. */
async function expectFetch(
  client: TorrentClient,
  image: StoredImage,
  source: TorrentSource,
  args: readonly string[] = [],
): Promise<void> {
  const { port } = await startSeeder(image, args);
  const into = await temporaryDirectory();
  await client.fetch(source, { host: '127.0.0.1', port }, into);
  await expectFetched(into, image, client);
}

describe.each([aria2Client, transmissionClient])(
  '$name fetches from our open listener',
  (client) => {
    describeWithProgram(client.name, 'by the v1-only torrent of an image', () => {
      test.each([{ hybrid: false }, { hybrid: true }])('the .torrent (%o)', async ({ hybrid }) => {
        const image = await baked(hybrid);
        const torrent = encodeV1Torrent(await makeV1Torrent(image));
        await expectFetch(client, image, { torrent }, ['--v1']);
      });

      test('the magnet link, so that the metadata is ours too', async () => {
        const image = await baked(false);
        const { layout } = await makeV1Torrent(image);
        await expectFetch(client, image, { magnet: v1MagnetLink(layout) }, ['--v1']);
      });
    });
  },
);

describeWithProgram('aria2c', 'aria2c finds our open listener by our tracker', () => {
  test.each(['torrent', 'magnet'] as const)('with a %s', async (kind) => {
    const image = await baked(false);
    const made = await makeV1Torrent(image);
    const { infoHash } = made.layout;
    const tracker = await runTracker();
    await startSeeder(image, ['--v1', '--tracker', tracker.url]);
    await tracker.knowsSeed(image, infoHash);
    const trackers = [`${tracker.url}/announce`];
    const into = await temporaryDirectory();
    const source =
      kind === 'torrent'
        ? { torrent: encodeV1Torrent(made, trackers) }
        : { magnet: v1MagnetLink({ infoHash, trackers }) };
    await fetchByTracker(source, into);
    await expectFetched(into, image, aria2Client);
  });
});

describe('webtorrent, told not to encrypt, fetches a hybrid from our open listener', () => {
  test('by the .torrent of the image', async () => {
    const image = await baked(true);
    await expectFetch(plainWebtorrentClient, image, { torrent: encodeTorrent(image.metainfo) });
  });

  test('by the magnet link of its v1 half, so that the metadata is ours too', async () => {
    const image = await baked(true);
    const { v1InfoHash = Buffer.alloc(0), name } = image.metainfo.info;
    const magnet = v1MagnetLink({ infoHash: v1InfoHash, name });
    await expectFetch(plainWebtorrentClient, image, { magnet });
  });
});

describeWithLibtorrent('libtorrent fetches from our open listener', () => {
  test.each([{ hybrid: false }, { hybrid: true }])(
    'found by our tracker, with the magnet link of the image (%o)',
    async ({ hybrid }) => {
      const image = await baked(hybrid);
      const tracker = await runTracker();
      await startSeeder(image, ['--tracker', tracker.url]);
      await tracker.knowsSeed(image);
      const { infoHash, name } = image.metainfo.info;
      const magnet = magnetLink({ infoHash, name, trackers: [`${tracker.url}/announce`] });
      const savePath = await temporaryDirectory();
      const client = await LibtorrentClient.start({ source: { magnet }, savePath });
      await client.whole();
      expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
    },
  );
});
