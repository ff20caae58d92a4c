import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { durable } from '../../src/image/index.ts';
import { Exchange } from '../../src/swarm/index.ts';
import { bakeSketch, storeIn } from '../tools/baked-image.ts';
import { seededBytes, seededRandom } from '../tools/seeded-random.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { carriedTree } from './carried-tree.ts';
import { torrentPath } from './image-files.ts';
import { inTime } from './in-time.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { startSeeder } from './program.ts';

const MiB = 1 << 20;
/** So that the seed can leave while there is still much to fetch. */
const seedBytesPerSecond = 6 * MiB;

/** One of our fetchers, in this process so that the test can see how far it is. */
async function openFetcher(seed: number, onChange: () => void): Promise<Exchange> {
  const store = storeIn(await temporaryDirectory());
  const now = () => performance.now();
  const exchange = await Exchange.open(
    { store, durability: durable, random: seededRandom(seed), now },
    { host: '127.0.0.1', onChange },
  );
  onTestFinished(() => exchange[Symbol.asyncDispose]());
  return exchange;
}

describeWithLibtorrent('a swarm of libtorrent and our own programs', () => {
  test.each([
    { kind: 'v2 only', hybrid: false },
    { kind: 'hybrid', hybrid: true },
  ])('all have the image, though the libtorrent seed leaves midway ($kind)', async ({ hybrid }) => {
    const sketch = { large: seededBytes(1, 14 * MiB), small: seededBytes(2, 100_000), empty: '' };
    const init = { hybrid, pieceSizeBytes: 64 << 10 };
    const image = await bakeSketch(await temporaryDirectory(), sketch, init);
    const { imageId } = image;
    const rate = { uploadBytesPerSecond: seedBytesPerSecond };
    const theirs = await LibtorrentClient.seed(image, rate);
    const ours = await startSeeder(image, ['--upload-limit', `${seedBytesPerSecond}B`]);

    const fetched = Promise.withResolvers<undefined>();
    const fromTheirs = (exchange: Exchange) =>
      exchange
        .swarm(imageId)
        ?.status()
        .sources.find(({ peer }) => peer === `127.0.0.1:${theirs.port}`)?.receivedBytes ?? 0;
    const onChange = () => {
      if (fetchers.every((fetcher) => fromTheirs(fetcher) > MiB / 2)) fetched.resolve(undefined);
    };
    const fetchers = await Promise.all([openFetcher(1, onChange), openFetcher(2, onChange)]);
    const status = () => fetchers.map((fetcher) => fetcher.status());
    const ports = fetchers.map((fetcher) => fetcher.port);
    const swarms = fetchers.map((fetcher) => {
      const swarm = fetcher.fetch(imageId);
      for (const port of [theirs.port, ours.port, ...ports]) {
        if (port !== fetcher.port) fetcher.addEndpoint(imageId, { host: '127.0.0.1', port });
      }
      return swarm;
    });
    // A libtorrent client that knows nobody but hosts which are still fetching.
    const savePath = await temporaryDirectory();
    const source = { torrent: torrentPath(image) };
    const leech = await LibtorrentClient.start({ source, savePath });
    for (const port of ports) leech.connect(port);

    await inTime(fetched.promise, status);
    expect(swarms.map((swarm) => swarm.isWhole)).toEqual([false, false]);
    await theirs.kill();

    const images = await inTime(Promise.all(swarms.map((swarm) => swarm.completed)), status);
    await leech.whole();
    const wanted = await describeTree(image.tree);
    for (const { tree } of images) expect(await describeTree(tree)).toEqual(wanted);
    const { name } = image.metainfo.info;
    expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
  });
});
