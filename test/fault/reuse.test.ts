import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bakeSketch } from '../tools/baked-image.ts';
import { reuseInto } from '../tools/reuse-into.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { describeWithDisks } from './disk-test.ts';
import { MemoryDisk } from './mounted-disk.ts';

const pieceSizeBytes = 65_536;
const data = seededBytes(1, 200 * pieceSizeBytes);

await describeWithDisks('reuse on another disk', () => {
  test('what can not be linked is copied', async () => {
    const directory = await temporaryDirectory();
    const disk = await MemoryDisk.create(join(directory, 'disk'), 30_000);
    const image = await bakeSketch(directory, { a: data, b: 'x' }, { pieceSizeBytes });
    const { linked, reusedBytes, troubles } = await reuseInto(join(disk.path, 'fetch'), image, [
      image,
    ]);
    expect([linked, troubles]).toEqual([[], []]);
    expect(reusedBytes).toBe(image.metainfo.info.sizeBytes);
  });

  test('a full disk ends the copying, once told, and what was copied before holds', async () => {
    const directory = await temporaryDirectory();
    const disk = await MemoryDisk.create(join(directory, 'disk'), 8_000);
    const names = Array.from({ length: 10 }, (_, index) => `f${index}`);
    const part = (index: number) => data.subarray(index * 1_310_720, (index + 1) * 1_310_720);
    const sketch = Object.fromEntries(names.map((name, index) => [name, part(index)]));
    const image = await bakeSketch(directory, sketch, { pieceSizeBytes });
    const folder = join(disk.path, 'fetch');
    const { pieces, troubles, tree } = await reuseInto(folder, image, [image], { threads: 2 });
    expect(troubles.map(({ type }) => type)).toEqual(['noSpace']);
    const { files } = image.metainfo.info;
    for (const name of await readdir(tree)) {
      if (!names.includes(name)) continue;
      const file = files.find(({ path }) => path === name);
      const { firstPiece = 0, pieceCount = 0 } = file ?? {};
      const held = pieces.some((piece) => piece >= firstPiece && piece < firstPiece + pieceCount);
      expect([held, (await stat(join(tree, name))).size > 0], name).toEqual([true, true]);
    }
    expect(await readdir(folder)).toEqual(['tree']);
    expect(await disk.usedKib()).toBeLessThan(8_000);
  });
});
