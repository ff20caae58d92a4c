import { readFile, rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ImageReader } from '../../../src/swarm/image-reader.ts';
import { PieceMap } from '../../../src/swarm/piece-map.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = Object.fromEntries(
  Array.from({ length: 100 }, (_, index) => [`${index}`, seededBytes(index, index * 3_000)]),
);

test('every piece is read as it was baked, with more files than are kept open', async () => {
  const { metainfo, tree } = await bakeSketch(await temporaryDirectory(), sketch);
  const pieces = new PieceMap(metainfo.info);
  using reader = new ImageReader({ info: metainfo.info, tree });
  const numbers = Array.from({ length: metainfo.info.pieceCount }, (_, piece) => piece);
  for (let round = 0; round < 2; round++) {
    await Promise.all(
      numbers.map(async (piece) => {
        const file = await readFile(join(tree, pieces.fileOf(piece).path));
        const start = pieces.offsetBytes(piece);
        const read = await reader.read(piece, 0, pieces.sizeBytes(piece));
        expect(read.equals(file.subarray(start, start + pieces.sizeBytes(piece)))).toBe(true);
      }),
    );
  }
  expect(() => pieces.fileOf(metainfo.info.pieceCount)).toThrow(RangeError);
  expect(() => pieces.fileOf(-1)).toThrow(RangeError);
});

test('beyond the end of a file a piece is zeros', async () => {
  const { metainfo, tree } = await bakeSketch(await temporaryDirectory(), { a: 'abc' });
  const piece = metainfo.info.files.find(({ path }) => path === 'a')?.firstPiece ?? 0;
  using reader = new ImageReader({ info: metainfo.info, tree });
  expect((await reader.read(piece, 1, 5)).toString()).toBe('bc\0\0\0');
  expect((await reader.read(piece, 100, 2)).toString()).toBe('\0\0');
});

test('a file that became shorter is a fault of the disk, and never zeros', async () => {
  const { metainfo, tree } = await bakeSketch(await temporaryDirectory(), sketch);
  const file = metainfo.info.files.find(({ path }) => path === '50');
  await truncate(join(tree, '50'), 10);
  using reader = new ImageReader({ info: metainfo.info, tree });
  await expect(reader.read(file?.firstPiece ?? 0, 0, 16_384)).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
  });
});

test('a tree that moves to where it was said it would is read on', async () => {
  const directory = await temporaryDirectory();
  const { metainfo, tree, imageId } = await bakeSketch(directory, { a: 'abc' });
  const piece = metainfo.info.files.find(({ path }) => path === 'a')?.firstPiece ?? 0;
  using reader = new ImageReader({ info: metainfo.info, tree });
  reader.movesTo = join(directory, 'moved', 'app');
  await rename(join(directory, 'store', imageId), join(directory, 'moved'));
  expect((await reader.read(piece, 0, 3)).toString()).toBe('abc');
});
