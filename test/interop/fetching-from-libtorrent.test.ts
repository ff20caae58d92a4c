import { expect, test } from 'vitest';
import { bakeSketch } from '../tools/baked-image.ts';
import { describeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { LibtorrentClient } from './libtorrent-client.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { runFetch } from './program.ts';
import { smallPieceBytes, travellingTree } from './travelling-tree.ts';

describeWithLibtorrent('our fetcher fetches from a libtorrent seed, byte for byte', () => {
  test.each([
    { kind: 'v2 only', hybrid: false, blocks: 1 },
    { kind: 'hybrid', hybrid: true, blocks: 1 },
    { kind: 'v2 only', hybrid: false, blocks: 2 },
    { kind: 'hybrid', hybrid: true, blocks: 2 },
  ])('knowing only the image id ($kind, pieces of $blocks blocks)', async ({ hybrid, blocks }) => {
    const pieceSizeBytes = blocks * smallPieceBytes;
    const image = await bakeSketch(await temporaryDirectory(), travellingTree(pieceSizeBytes), {
      hybrid,
      pieceSizeBytes,
    });
    const seed = await LibtorrentClient.seed(image);
    const whom = ['--peer', `127.0.0.1:${seed.port}`] as const;
    const fetched = await runFetch(image.imageId, await temporaryDirectory(), whom);
    expect(fetched.id).toBe(image.imageId);
    expect(await describeTree(fetched.tree)).toEqual(await describeTree(image.tree));
  });
});
