import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SwarmStatus } from '../../src/swarm/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { openExchange } from '../tools/running-exchange.ts';
import { seededBytes } from '../tools/seeded-random.ts';
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

    // Our fetchers are in this process, so that the test sees how far they are.
    const fetchers = [
      await openExchange(await temporaryDirectory()),
      await openExchange(await temporaryDirectory()),
    ];
    const status = () => fetchers.map(({ exchange }) => exchange.status());
    const ports = fetchers.map(({ endpoint }) => endpoint.port);
    const swarms = fetchers.map(({ exchange }) => {
      const swarm = exchange.fetch(imageId);
      for (const port of [theirs.port, ours.port, ...ports]) {
        if (port !== exchange.port) exchange.addEndpoint(imageId, { host: '127.0.0.1', port });
      }
      return swarm;
    });
    // A libtorrent client that knows nobody but hosts which are still fetching.
    const savePath = await temporaryDirectory();
    const source = { torrent: torrentPath(image) };
    const leech = await LibtorrentClient.start({ source, savePath });
    for (const port of ports) leech.connect(port);

    const hasFromTheirs = ({ sources }: SwarmStatus) =>
      sources.some(
        ({ peer, receivedBytes }) => peer === `127.0.0.1:${theirs.port}` && receivedBytes > MiB / 2,
      );
    await inTime(Promise.all(fetchers.map((fetcher) => fetcher.until(hasFromTheirs))), status);
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
