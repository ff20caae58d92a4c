import { expect, test } from 'vitest';
import type { StoredImage } from '../../src/image/index.ts';
import { bakeSketch } from '../tools/baked-image.ts';
import type { TreeSketch } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { LibtorrentDescriber, type TreeDescription } from './libtorrent-describer.ts';
import { describeWithLibtorrent } from './libtorrent.ts';
import { torrentPath } from './image-files.ts';
import { randomSketch } from './random-sketch.ts';
import { trickyTrees } from './tricky-trees.ts';

const kinds = [
  { kind: 'v2 only', hybrid: false },
  { kind: 'hybrid', hybrid: true },
] as const;
const KiB = 1_024;

/** An image, in the words in which libtorrent describes a tree. */
function describeImage({ metainfo: { info, pieceLayers } }: StoredImage): TreeDescription {
  return {
    infoHash: info.infoHash.toString('hex'),
    v1InfoHash: info.v1InfoHash?.toString('hex') ?? null,
    info: info.encoded.toString('latin1'),
    pieceLayers: Object.fromEntries(
      [...pieceLayers].map(([root, layer]) => [root, layer.toString('hex')]),
    ),
  };
}

describeWithLibtorrent('an image and what libtorrent makes of the same tree', () => {
  const libtorrent = new LibtorrentDescriber();

  async function expectSame(
    sketch: TreeSketch,
    init: { hybrid: boolean; pieceSizeBytes: number },
  ): Promise<void> {
    const image = await bakeSketch(await temporaryDirectory(), sketch, init);
    const ours = describeImage(image);
    const { infoHash, v1InfoHash } = ours;
    expect(v1InfoHash !== null).toBe(init.hybrid);
    expect(await libtorrent.tree({ directory: image.tree, ...init })).toEqual(ours);
    expect(await libtorrent.torrent(torrentPath(image))).toEqual({ infoHash, v1InfoHash });
  }

  for (const { kind, hybrid } of kinds) {
    for (const pieceSizeBytes of [256 * KiB, 1_024 * KiB]) {
      const pieces = `pieces of ${pieceSizeBytes / KiB} KiB`;
      test.each(trickyTrees(pieceSizeBytes))(
        `have the same info-hash and piece layers: $name (${kind}, ${pieces})`,
        ({ sketch }) => expectSame(sketch, { hybrid, pieceSizeBytes }),
      );
    }
  }

  // Each seed is one kind and one piece size; the trees above are all of them.
  test.each(Array.from({ length: 30 }, (_, seed) => ({ seed, ...(kinds[seed % 2] ?? kinds[0]) })))(
    'have the same info-hash and piece layers: the random tree of seed $seed ($kind)',
    (each) => {
      const pieceSizeBytes = [16 * KiB, 64 * KiB, 256 * KiB][each.seed % 3] ?? 16 * KiB;
      const sketch = randomSketch(each.seed, pieceSizeBytes);
      return expectSame(sketch, { hybrid: each.hybrid, pieceSizeBytes });
    },
  );
});
