import { join } from 'node:path';
import { expect, test } from 'vitest';
import { magnetLink } from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { carriedTree } from './carried-tree.ts';
import { torrentPath } from './image-files.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { runFetch, startSeeder } from './program.ts';
import { runTracker } from './running-tracker.ts';
import { smallPieceBytes, travellingTree } from './travelling-tree.ts';

describeWithLibtorrent('libtorrent and our programs find each other by our tracker', () => {
  const kinds = [
    { kind: 'v2 only', hybrid: false },
    { kind: 'hybrid', hybrid: true },
  ];
  const bakeKind = async ({ hybrid }: { hybrid: boolean }) =>
    bakeSketch(await temporaryDirectory(), travellingTree(smallPieceBytes), {
      hybrid,
      pieceSizeBytes: smallPieceBytes,
    });

  test.each(kinds)('libtorrent with a .torrent finds our seeder ($kind)', async (kind) => {
    const image = await bakeKind(kind);
    const tracker = await runTracker();
    await startSeeder(image, ['--tracker', tracker.url]);
    await tracker.knowsSeed(image);
    const savePath = await temporaryDirectory();
    const source = { torrent: torrentPath(image) };
    const trackers = [`${tracker.url}/announce`];
    const client = await LibtorrentClient.start({ source, savePath, trackers });
    await client.whole();
    const { name } = image.metainfo.info;
    expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
  });

  test.each(kinds)('libtorrent with a magnet link finds our seeder ($kind)', async (kind) => {
    const image = await bakeKind(kind);
    const { infoHash, name } = image.metainfo.info;
    const tracker = await runTracker();
    await startSeeder(image, ['--tracker', tracker.url]);
    await tracker.knowsSeed(image);
    const savePath = await temporaryDirectory();
    const magnet = magnetLink({ infoHash, name, trackers: [`${tracker.url}/announce`] });
    const client = await LibtorrentClient.start({ source: { magnet }, savePath });
    await client.whole();
    expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
  });

  test('libtorrent finds libtorrent over UDP', async () => {
    const image = await bakeKind({ hybrid: false });
    const tracker = await runTracker();
    // BEP 41: the path goes along as an option.
    const trackers = [`${tracker.udpUrl}/announce`];
    await LibtorrentClient.seed(image, { trackers });
    await tracker.knowsSeed(image);
    const savePath = await temporaryDirectory();
    const source = { torrent: torrentPath(image) };
    const client = await LibtorrentClient.start({ source, savePath, trackers });
    await client.whole();
    const { name } = image.metainfo.info;
    expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
  });

  test.each(kinds)('our fetcher finds a libtorrent seed ($kind)', async (kind) => {
    const image = await bakeKind(kind);
    const tracker = await runTracker();
    await LibtorrentClient.seed(image, { trackers: [`${tracker.url}/announce`] });
    await tracker.knowsSeed(image);
    const whom = ['--tracker', tracker.url] as const;
    const fetched = await runFetch(image.imageId, await temporaryDirectory(), whom);
    expect(await describeTree(fetched.tree)).toEqual(await describeTree(image.tree));
  });
});
