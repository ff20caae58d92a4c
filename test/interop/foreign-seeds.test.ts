import { dirname, join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import {
  encodeTorrent,
  encodeV1Torrent,
  magnetLink,
  makeV1Torrent,
  type StoredImage,
} from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { LyingPeer } from '../tools/lying-peer.ts';
import { openExchange } from '../tools/running-exchange.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { describeTree, type TreeSketch } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { aria2Client } from './aria2-client.ts';
import { torrentPath } from './image-files.ts';
import { inTime } from './in-time.ts';
import { describeWithProgram } from './installed.ts';
import { startProgram, startSeeder } from './program.ts';
import { runTracker } from './running-tracker.ts';
import { transmissionClient } from './transmission-client.ts';
import { plainWebtorrentClient, webtorrentClient } from './webtorrent-client.ts';

const pieceSizeBytes = 32 << 10;
/** Files of all lengths one behind the other, so that in v1 pieces nothing lies at a border. */
const sketch: TreeSketch = {
  large: seededBytes(1, 40 * pieceSizeBytes + 1_234),
  'lib/small': 'small',
  'lib/empty': '',
  'lib/caf\u00e9/\u{1f680}': 'beyond ASCII',
  'lib/piece': seededBytes(2, pieceSizeBytes),
  'lib/some pieces': seededBytes(3, 3 * pieceSizeBytes + 77),
  'bin/run': { executable: '#!/bin/sh\nexit 0\n' },
  'bin/also': { link: 'run' },
  programs: { link: 'bin' },
  zero: '',
};
const fetched = z.object({ id: z.string(), tree: z.string(), receivedBytes: z.number() });

const baked = async (hybrid: boolean): Promise<StoredImage> =>
  bakeSketch(await temporaryDirectory(), sketch, { hybrid, pieceSizeBytes });

/** Runs `fetcher fetch` with these arguments; it must get the very tree of the image. */
async function expectFetch(image: StoredImage, args: readonly string[]): Promise<void> {
  const own = ['--open', '--host', '127.0.0.1', '--dir', await temporaryDirectory()];
  const fetcher = startProgram('fetcher', ['fetch', ...args, ...own, '--deadline', '30s']);
  const { id, tree, receivedBytes } = await fetcher.take(fetched, 'that it has the image');
  expect(id).toBe(image.imageId);
  expect(receivedBytes).toBeGreaterThan(0);
  expect(await describeTree(tree)).toEqual(await describeTree(image.tree));
}

/**
 * webtorrent seeds what it has fetched itself, the padding files with it: without those on its disk
 * it does not take the image for whole.
 */
async function seedHybrid(image: StoredImage, tracker?: string): Promise<number> {
  const source = { torrent: encodeTorrent(image.metainfo, tracker === undefined ? [] : [tracker]) };
  const folder = await temporaryDirectory();
  const { port } = await startSeeder(image);
  await plainWebtorrentClient.fetch(
    { torrent: encodeTorrent(image.metainfo) },
    { host: '127.0.0.1', port },
    folder,
  );
  return await webtorrentClient.seed(source.torrent, folder);
}

/** webtorrent, which has to fetch the image before it seeds it, was once seen to stand still at that. */
const seen = { retry: 1 };

describe('our fetcher fetches from webtorrent, which has the v1 half of a hybrid', seen, () => {
  test('told of it as a peer, with the .torrent of the image alone', async () => {
    const image = await baked(true);
    const port = await seedHybrid(image);
    await expectFetch(image, ['--torrent', torrentPath(image), '--peer', `127.0.0.1:${port}`]);
  });

  test('found by the v1 hash at our tracker', async () => {
    const image = await baked(true);
    const tracker = await runTracker();
    const { url } = tracker;
    await seedHybrid(image, `${url}/announce`);
    await tracker.knowsSeed(image, image.metainfo.info.v1InfoHash);
    await expectFetch(image, [image.imageId, '--torrent', torrentPath(image), '--tracker', url]);
  });

  test('with a magnet link of both hashes: the dictionary too, the layers from a v2 peer', async () => {
    const image = await baked(true);
    const { info } = image.metainfo;
    const port = await seedHybrid(image);
    // It has no pieces, so all of them come from webtorrent.
    const hashes = await LyingPeer.open(image, { pieces: [] });
    const magnet = `${magnetLink(info)}&xt=urn:btih:${info.v1InfoHash?.toString('hex') ?? ''}`;
    const peers = [port, hashes.endpoint.port].flatMap((each) => ['--peer', `127.0.0.1:${each}`]);
    await expectFetch(image, [magnet, ...peers]);
    expect(hashes.asked.blocks).toBe(0);
  });

  test('beside a liar who speaks the v1 hash too, and is banned', async () => {
    const image = await baked(true);
    const liar = await LyingPeer.open(image, { v1: true, lie: 'wrongBlocks' });
    const { exchange } = await openExchange(await temporaryDirectory());
    const swarm = exchange.fetch(image.imageId, { metainfo: image.metainfo });
    exchange.addEndpoint(image.imageId, liar.endpoint);
    await inTime(liar.dropped(2), () => exchange.status());
    expect(liar.asked.blocks).toBeGreaterThan(0);
    expect(swarm.status().verifiedPieces).toBe(0);
    exchange.addEndpoint(image.imageId, { host: '127.0.0.1', port: await seedHybrid(image) });
    const { tree } = await inTime(swarm.completed, () => exchange.status());
    expect(await describeTree(tree)).toEqual(await describeTree(image.tree));
  });
});

describe.each([aria2Client, transmissionClient])('$name', (client) => {
  describeWithProgram(client.name, 'seeds the v1-only torrent of an image to our fetcher', () => {
    test.each([{ hybrid: false }, { hybrid: true }])('byte for byte (%o)', async ({ hybrid }) => {
      const image = await baked(hybrid);
      const bytes = encodeV1Torrent(await makeV1Torrent(image));
      const v1 = join(await temporaryDirectory(), 'v1.torrent');
      await writeFile(v1, bytes);
      const port = await client.seed(bytes, dirname(image.tree));
      await expectFetch(image, [
        ...['--torrent', torrentPath(image), '--v1-torrent', v1],
        ...['--peer', `127.0.0.1:${port}`],
      ]);
    });
  });
});
