import { join } from 'node:path';
import { expect, test } from 'vitest';
import { magnetLink } from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { carriedTree } from './carried-tree.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { torrentPath } from './image-files.ts';
import { startSeeder } from './program.ts';
import { smallPieceBytes, travellingTree } from './travelling-tree.ts';

const bakeTravelling = async (pieceSizeBytes: number, hybrid: boolean) =>
  bakeSketch(await temporaryDirectory(), travellingTree(pieceSizeBytes), {
    hybrid,
    pieceSizeBytes,
  });

describeWithLibtorrent('libtorrent fetches an image from our seeder, byte for byte', () => {
  test.each([
    { kind: 'v2 only', hybrid: false, blocks: 1 },
    { kind: 'hybrid', hybrid: true, blocks: 2 },
  ])('with its .torrent ($kind, pieces of $blocks blocks)', async (kind) => {
    const image = await bakeTravelling(kind.blocks * smallPieceBytes, kind.hybrid);
    const seeder = await startSeeder(image);
    const savePath = await temporaryDirectory();
    const source = { torrent: torrentPath(image) };
    const client = await LibtorrentClient.start({ source, savePath });
    client.connect(seeder.port);
    await client.whole();
    const { name } = image.metainfo.info;
    expect(await carriedTree(join(savePath, name))).toEqual(await carriedTree(image.tree));
  });

  test.each([
    { kind: 'v2 only', hybrid: false, blocks: 1 },
    { kind: 'hybrid', hybrid: true, blocks: 1 },
    { kind: 'v2 only', hybrid: false, blocks: 2 },
    { kind: 'hybrid', hybrid: true, blocks: 2 },
  ])('with its magnet link alone ($kind, pieces of $blocks blocks)', async (kind) => {
    const image = await bakeTravelling(kind.blocks * smallPieceBytes, kind.hybrid);
    const { info } = image.metainfo;
    const seeder = await startSeeder(image);
    const savePath = await temporaryDirectory();
    const source = { magnet: magnetLink({ infoHash: info.infoHash, name: info.name }) };
    const client = await LibtorrentClient.start({ source, savePath });
    client.connect(seeder.port);
    expect(await client.metadata()).toEqual({
      infoHash: info.infoHash.toString('hex'),
      v1InfoHash: info.v1InfoHash?.toString('hex') ?? null,
    });
    await client.whole();
    expect(await carriedTree(join(savePath, info.name))).toEqual(await carriedTree(image.tree));
  });
});
