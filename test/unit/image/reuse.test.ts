import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StoredImage } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { reuseInto } from '../../tools/reuse-into.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import type { TreeSketch } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const piece = 32_768;
const data = seededBytes(1, 40 * piece);
const at = (start: number, end: number) => data.subarray(start * piece, end * piece);
const range = (start: number, end: number) =>
  Array.from({ length: end - start }, (_, index) => start + index);

interface Bakes {
  readonly stored: StoredImage;
  readonly wanted: StoredImage;
  readonly folder: string;
}

/** Bakes two trees; the one that is wanted lies elsewhere, to compare with. */
async function bakes(
  before: TreeSketch,
  after: TreeSketch,
  storedPieceBytes = piece,
): Promise<Bakes> {
  const directory = await temporaryDirectory();
  const stored = await bakeSketch(join(directory, 'before'), before, {
    pieceSizeBytes: storedPieceBytes,
  });
  const wanted = await bakeSketch(join(directory, 'after'), after, {
    pieceSizeBytes: piece,
    version: '2.0.0',
  });
  return { stored, wanted, folder: join(directory, 'fetch') };
}

/** The pieces of a file, by their places in it. */
function within(image: StoredImage, path: string, pieces: readonly number[]): number[] {
  const file = image.metainfo.info.files.find((candidate) => candidate.path === path);
  const { firstPiece = 0, pieceCount = 0 } = file ?? {};
  return pieces
    .map((number) => number - firstPiece)
    .filter((number) => number >= 0 && number < pieceCount);
}

const tail = data.subarray(0, 1_000);
const cases: [string, Buffer, Buffer, number[], number?][] = [
  [
    'pieces were inserted',
    at(0, 10),
    Buffer.concat([at(0, 3), at(20, 22), at(3, 10)]),
    [0, 1, 2, ...range(5, 12)],
  ],
  ['data was appended', at(0, 10), at(0, 12), range(0, 10)],
  ['the file was cut', at(0, 10), at(0, 6), range(0, 6)],
  [
    'the file was cut within a piece',
    at(0, 10),
    Buffer.concat([at(0, 6), at(6, 7).subarray(0, 99)]),
    range(0, 6),
  ],
  [
    'one piece changed',
    at(0, 10),
    Buffer.concat([at(0, 5), at(20, 21), at(6, 10)]),
    [...range(0, 5), ...range(6, 10)],
  ],
  [
    'the stored pieces are smaller',
    at(0, 10),
    Buffer.concat([at(20, 21), at(4, 10)]),
    range(1, 7),
    piece / 2,
  ],
  [
    'the stored pieces are larger',
    at(0, 10),
    Buffer.concat([at(20, 21), at(4, 10)]),
    [],
    2 * piece,
  ],
  [
    'the short end came to another place',
    Buffer.concat([at(0, 2), tail]),
    Buffer.concat([at(7, 8), tail]),
    [1],
  ],
  ['a full only piece grew to several', at(0, 1), at(0, 3), [0]],
  ['a short only piece grew', at(0, 1).subarray(0, 9_999), at(0, 3), []],
  ['one of several pieces is left', at(0, 3), at(2, 3), [0]],
];

test.each(cases)('%s: what is left is copied', async (_, before, after, expected, size) => {
  const { stored, wanted, folder } = await bakes({ f: before }, { f: after }, size ?? piece);
  const { pieces, told, troubles, reusedBytes, linked, tree } = await reuseInto(folder, wanted, [
    stored,
  ]);
  expect(within(wanted, 'f', pieces)).toEqual(expected);
  expect([...told].sort((a, b) => a - b)).toEqual(pieces);
  expect([troubles, linked]).toEqual([[], []]);
  if (expected.length === 0) return;
  expect(reusedBytes).toBeGreaterThan((expected.length - 1) * piece);
  const { mode, nlink } = await lstat(join(tree, 'f'));
  expect([mode & 0o777, nlink]).toEqual([0o644, 1]);
});

test('a file that did not change is a link, also across piece sizes', async () => {
  const { stored, wanted, folder } = await bakes({ 'a/f': at(0, 5) }, { 'b/g': at(0, 5) }, 65_536);
  const { linked, tree, pieces, reusedBytes } = await reuseInto(folder, wanted, [stored]);
  expect(linked).toEqual(['b/g']);
  expect([within(wanted, 'b/g', pieces), reusedBytes]).toEqual([range(0, 5), 5 * piece]);
  const [here, there] = [await lstat(join(tree, 'b/g')), await lstat(join(stored.tree, 'a/f'))];
  expect([here.ino, here.mode & 0o777]).toEqual([there.ino, 0o444]);
  expect(await readdir(folder)).toEqual(['tree']);
});

test('with another executable bit a file is copied, and is its own', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 5) }, { f: { executable: at(0, 5) } });
  const { linked, tree, pieces } = await reuseInto(folder, wanted, [stored]);
  expect([linked, within(wanted, 'f', pieces)]).toEqual([[], range(0, 5)]);
  const { mode, nlink } = await lstat(join(tree, 'f'));
  expect([mode & 0o777, nlink]).toEqual([0o644, 1]);
});

/** Spoils a byte of a file of a store, which is read-only. */
async function spoil(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await chmod(path, 0o644);
  await writeFile(path, bytes);
  await chmod(path, 0o444);
}

test('of a damaged file what holds is copied, and the damage is told with path and piece', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: at(0, 9), g: at(0, 12) });
  const path = join(stored.tree, 'f');
  await spoil(path, 4 * piece + 17);
  const { linked, pieces, troubles } = await reuseInto(folder, wanted, [stored]);
  expect(linked).toEqual([]);
  for (const file of ['f', 'g']) {
    expect(within(wanted, file, pieces)).toEqual([...range(0, 4), ...range(5, 9)]);
  }
  const damaged = { type: 'damaged', path, offsetBytes: 4 * piece };
  expect(troubles).toMatchObject([damaged, damaged]);
});

test('of a stored file that became shorter, what is left is copied', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: at(0, 9), g: at(0, 12) });
  await truncate(join(stored.tree, 'f'), 6 * piece + 5);
  const { pieces, troubles } = await reuseInto(folder, wanted, [stored]);
  for (const file of ['f', 'g']) expect(within(wanted, file, pieces)).toEqual(range(0, 6));
  expect(troubles.map(({ type }) => type)).toEqual(Array.from({ length: 6 }, () => 'damaged'));
});

test('a stored file that is gone is told once, and the others are reused', async () => {
  const { stored, wanted, folder } = await bakes(
    { f: at(0, 9), h: at(20, 22) },
    { f: at(0, 9), g: at(0, 12), h: at(20, 22), i: at(1, 4) },
  );
  await unlink(join(stored.tree, 'f'));
  const { linked, troubles, tree, pieces } = await reuseInto(folder, wanted, [stored]);
  expect([linked, within(wanted, 'g', pieces)]).toEqual([['h'], []]);
  expect(troubles).toMatchObject([{ type: 'unusable', path: join(stored.tree, 'f') }]);
  expect(await readdir(tree)).toEqual(['.starling', 'h']);
});

test('a stored file that can be written to is not linked', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 3) }, { f: at(0, 3) });
  await chmod(join(stored.tree, 'f'), 0o644);
  const { linked, pieces } = await reuseInto(folder, wanted, [stored]);
  expect([linked, within(wanted, 'f', pieces)]).toEqual([[], [0, 1, 2]]);
});

test('identical files in one image: what is here of one is copied to the other', async () => {
  const { wanted, folder } = await bakes({}, { f: at(0, 3), g: at(0, 3) });
  await mkdir(join(folder, 'tree'), { recursive: true });
  await writeFile(join(folder, 'tree/f'), at(0, 2));
  const first = wanted.metainfo.info.files.find(({ path }) => path === 'f')?.firstPiece ?? 0;
  const have = new Set([first, first + 1]);
  const { pieces, linked } = await reuseInto(folder, wanted, [], { have });
  expect([within(wanted, 'g', pieces), linked]).toEqual([[0, 1], []]);
});

test.each([0, 1])(
  'nothing is written through a link into another image, when %i pieces are here',
  async (count) => {
    const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: at(0, 12) });
    await mkdir(join(folder, 'tree'), { recursive: true });
    const content = Buffer.concat([at(0, 1), at(30, 36)]);
    const other = join(folder, 'of-another-image');
    await writeFile(other, content, { mode: 0o444 });
    await link(other, join(folder, 'tree/f'));
    const first = wanted.metainfo.info.files.find(({ path }) => path === 'f')?.firstPiece ?? 0;
    const have = new Set(range(first, first + count));
    const { pieces } = await reuseInto(folder, wanted, [stored], { have });
    expect(within(wanted, 'f', pieces)).toEqual(range(count, 9));
    expect((await readFile(other)).equals(content)).toBe(true);
    expect((await lstat(other)).mode & 0o777).toBe(0o444);
  },
);

const longer = Buffer.concat([at(0, 5), at(20, 21), at(6, 9), at(0, 1), at(30, 31)]);

test('a clone of a file of which little changed is checked piece by piece', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: longer });
  await spoil(join(stored.tree, 'f'), 3 * piece);
  const clones: string[] = [];
  const clone = async (from: string, to: string) => {
    clones.push(from);
    await copyFile(from, to);
  };
  const { pieces, tree, troubles } = await reuseInto(folder, wanted, [stored], { clone });
  expect(clones).toEqual([join(stored.tree, 'f')]);
  expect(within(wanted, 'f', pieces)).toEqual([0, 1, 2, 4, 6, 7, 8, 9]);
  expect(troubles).toMatchObject([{ type: 'damaged', path: join(stored.tree, 'f') }]);
  const { mode, nlink, size } = await lstat(join(tree, 'f'));
  expect([mode & 0o777, nlink, size]).toEqual([0o644, 1, longer.length]);
});

test('where nothing can be cloned, ranges are copied', async () => {
  const after = { f: longer, g: Buffer.concat([longer, at(31, 32)]) };
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, after);
  let tried = 0;
  const clone = () => {
    tried += 1;
    return Promise.reject(Object.assign(new Error('no'), { code: 'ENOTSUP' }));
  };
  const { pieces, troubles } = await reuseInto(folder, wanted, [stored], { clone });
  expect(within(wanted, 'f', pieces)).toEqual([...range(0, 5), 6, 7, 8, 9]);
  expect([tried >= 1, troubles]).toEqual([true, []]);
});

test('what a killed run left in its scratch folder is gone after the next', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 3) }, { f: at(0, 3) });
  const scratch = join(folder, `${wanted.imageId}.reuse`);
  await mkdir(scratch, { recursive: true });
  await writeFile(join(scratch, '0.link'), 'left');
  await reuseInto(folder, wanted, []);
  expect(await readdir(folder)).toEqual(['tree']);
  await reuseInto(folder, wanted, [stored]);
  expect(await readdir(folder)).toEqual(['tree']);
});

test('reuse that is aborted throws the reason, and what was told until then holds', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: at(0, 9), g: at(0, 12) });
  const controller = new AbortController();
  const reason = new Error('enough');
  const told: number[] = [];
  const onPiece = (number: number) => {
    told.push(number);
    controller.abort(reason);
  };
  const { signal } = controller;
  await expect(reuseInto(folder, wanted, [stored], { signal, onPiece })).rejects.toBe(reason);
  expect(within(wanted, 'f', told)).toEqual(range(0, 9));
  expect(await readdir(folder)).toEqual(['tree']);
});

test('a tree that can not be written to is no error, and nothing is claimed', async () => {
  const { stored, wanted, folder } = await bakes({ f: at(0, 9) }, { f: at(0, 9), g: at(0, 12) });
  await mkdir(join(folder, 'tree/f/in-the-way'), { recursive: true });
  await mkdir(join(folder, 'tree/g/in-the-way'), { recursive: true });
  const { pieces, linked, troubles } = await reuseInto(folder, wanted, [stored]);
  expect([within(wanted, 'f', pieces), within(wanted, 'g', pieces), linked]).toEqual([[], [], []]);
  expect(troubles.map(({ type }) => type)).toEqual(['unusable', 'unusable']);
});
