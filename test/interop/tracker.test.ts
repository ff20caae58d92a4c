import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { TrackerClient } from '../../src/api/index.ts';
import { magnetLink, type StoredImage } from '../../src/image/index.ts';
import { createKeys } from '../../src/trust/index.ts';
import { startTracker } from '../../tracker/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { carriedTree } from './carried-tree.ts';
import { torrentPath } from './image-files.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { runFetch, startSeeder } from './program.ts';
import { smallPieceBytes, travellingTree } from './travelling-tree.ts';

interface RunningTracker {
  readonly url: string;
  /** Returns when the tracker knows a seed of this image. */
  knowsSeed(image: StoredImage): Promise<void>;
}

async function runTracker(): Promise<RunningTracker> {
  const { rootPath } = await createKeys(await temporaryDirectory(), { now: new Date() });
  const directory = await temporaryDirectory();
  const tracker = await startTracker({ port: 0, directory, rootPath, logLevel: 'silent' });
  onTestFinished(() => tracker[Symbol.asyncDispose]());
  const { url, tokenPath } = tracker;
  const token = (await readFile(tokenPath, 'utf8')).trim();
  const client = new TrackerClient({}, { url, token });
  return {
    url,
    async knowsSeed({ metainfo }) {
      const infoHash = metainfo.info.infoHash.toString('hex');
      const look = async () => {
        expect((await client.swarm(infoHash)).seeds).toBe(1);
      };
      await vi.waitFor(look, { timeout: 30_000 });
    },
  };
}

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
