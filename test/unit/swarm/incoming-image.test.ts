import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  durable,
  encodeBencode,
  fileRoot,
  hashBlocks,
  parseInfo,
  type ImageStore,
  type StoredImage,
} from '../../../src/image/index.ts';
import { Bitfield } from '../../../src/policy/index.ts';
import { IncomingImage } from '../../../src/swarm/incoming-image.ts';
import { bakeSketch, storeIn } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree } from '../../tools/tree-sketch.ts';
import { writePiece } from '../../tools/write-piece.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = {
  large: seededBytes(1, 1_000_000),
  'd/tool': { executable: seededBytes(2, 300_000) },
  'd/link': { link: 'tool' },
  'e/empty': { directory: true as const },
  none: '',
};

/** An image, and another host's store with nothing in it. */
async function setting() {
  const source = await temporaryDirectory();
  const image = await bakeSketch(source, sketch);
  const store = storeIn(join(await temporaryDirectory(), 'store'));
  await store.open();
  const start = () => IncomingImage.open({ store, durability: durable }, image.metainfo);
  const folder = store.incomingPath(image.imageId);
  return { source, image, store, start, folder, bitmap: join(folder, `${image.imageId}.verified`) };
}

/** The content of a piece, from where it was baked. */
async function contentOf(incoming: IncomingImage, image: StoredImage, piece: number) {
  const file = await readFile(join(image.tree, incoming.pieces.fileOf(piece).path));
  const start = incoming.pieces.offsetBytes(piece);
  return file.subarray(start, start + incoming.pieces.sizeBytes(piece));
}

async function writePieces(incoming: IncomingImage, image: StoredImage, pieces: Iterable<number>) {
  for (const piece of pieces) {
    const data = await contentOf(incoming, image, piece);
    expect(incoming.isPiece(piece, data)).toBe(true);
    await writePiece(incoming, piece, data);
  }
}

const allOf = (image: StoredImage) => Bitfield.full(image.metainfo.info.pieceCount);

async function completeWith(store: ImageStore, incoming: IncomingImage, image: StoredImage) {
  for (const piece of allOf(image)) {
    if (!incoming.have.has(piece)) await writePieces(incoming, image, [piece]);
  }
  const stored = await incoming.complete();
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
  expect(await store.list()).toContain(image.imageId);
  expect((await readdir(join(store.directory, image.imageId))).sort()).toEqual(
    ['app', `${image.imageId}.torrent`].sort(),
  );
}

test('an image whose pieces are written in any order is the image that was baked', async () => {
  const { image, store, start } = await setting();
  await using incoming = await start();
  await writePieces(incoming, image, [...allOf(image)].reverse());
  await completeWith(store, incoming, image);
});

test('what was written is still there after a stop, and only that', async () => {
  const { image, store, start } = await setting();
  {
    await using incoming = await start();
    await writePieces(incoming, image, [0, 2, 4]);
  }
  await using incoming = await start();
  expect([...incoming.have]).toEqual([0, 2, 4]);
  await completeWith(store, incoming, image);
});

test('pieces that are written at the same time are all noted', async () => {
  const { image, start } = await setting();
  {
    await using incoming = await start();
    await Promise.all([...allOf(image)].map((piece) => writePieces(incoming, image, [piece])));
  }
  await using incoming = await start();
  expect(incoming.have.isFull).toBe(true);
});

test('a bitmap that claims more than the data holds is not believed', async () => {
  const { image, store, start, bitmap } = await setting();
  {
    await using incoming = await start();
    await writePieces(incoming, image, [1]);
  }
  await writeFile(bitmap, allOf(image).toBytes());
  await using incoming = await start();
  expect([...incoming.have]).toEqual([1]);
  await completeWith(store, incoming, image);
});

test('a piece that was half-written, or changed since, is not believed', async () => {
  const { image, store, start, folder } = await setting();
  {
    await using incoming = await start();
    await writePieces(incoming, image, allOf(image));
  }
  await truncate(join(folder, 'app/d/tool'), 270_000);
  const handle = await open(join(folder, 'app/large'), 'r+');
  await handle.write(Buffer.from([0x5a, 0xa5]), 0, 2, 300_000);
  await handle.close();
  await using incoming = await start();
  expect(incoming.have.count).toBe(allOf(image).count - 2);
  await completeWith(store, incoming, image);
});

test.each([
  ['too short', (whole: Buffer) => whole.subarray(1)],
  ['too long', (whole: Buffer) => Buffer.concat([whole, whole])],
  ['gone', () => undefined],
])('when the bitmap is %s all that is on disk is checked', async (_, damage) => {
  const { image, store, start, bitmap } = await setting();
  {
    await using incoming = await start();
    await writePieces(incoming, image, [0, 3]);
  }
  const damaged = damage(await readFile(bitmap));
  if (damaged === undefined) await rm(bitmap);
  else await writeFile(bitmap, damaged);
  await using incoming = await start();
  expect([...incoming.have]).toEqual([0, 3]);
  await completeWith(store, incoming, image);
});

test('an image that was cut short while it was completed is not fetched again', async () => {
  const { image, store, start, folder, bitmap } = await setting();
  {
    await using incoming = await start();
    await writePieces(incoming, image, allOf(image));
  }
  // What completing does before the rename that makes it the store's.
  for (const path of ['large', 'd/tool']) await chmod(join(folder, 'app', path), 0o444);
  await symlink('tool', join(folder, 'app/d/link'));
  await chmod(join(folder, `${image.imageId}.torrent`), 0o444);
  await chmod(join(folder, 'app/d'), 0o555);
  await rm(bitmap);
  await using incoming = await start();
  expect(incoming.have.isFull).toBe(true);
  await completeWith(store, incoming, image);
});

test('completing that failed at its last step can be tried again', async () => {
  const { image, store, folder } = await setting();
  let failures = 1;
  const failing: ImageStore = Object.create(store, {
    commit: {
      value: async (imageId: string, from: string) => {
        if (failures-- > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' });
        await store.commit(imageId, from);
      },
    },
    directory: { value: store.directory },
    incomingPath: { value: () => folder },
    read: { value: (imageId: string) => store.read(imageId) },
  }) as ImageStore;
  await using incoming = await IncomingImage.open(
    { store: failing, durability: durable },
    image.metainfo,
  );
  await writePieces(incoming, image, allOf(image));
  await expect(incoming.complete()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  await completeWith(store, incoming, image);
});

test('metainfo that was kept is found, and torn or foreign metainfo is not', async () => {
  const { image, store, start, folder } = await setting();
  const torrent = join(folder, `${image.imageId}.torrent`);
  const find = () => IncomingImage.findMetainfo(store, image.imageId);
  expect(await find()).toBeUndefined();
  await (await start())[Symbol.asyncDispose]();
  expect((await find())?.info.imageId).toBe(image.imageId);
  const { size } = await lstat(torrent);
  for (const length of [0, 1, size >> 1, size - 1]) {
    await truncate(torrent, length);
    expect(await find()).toBeUndefined();
    await (await start())[Symbol.asyncDispose]();
    expect(await find()).toBeDefined();
  }
  const other = await bakeSketch(await temporaryDirectory(), { other: 'x' });
  const bytes = await readFile(join(other.tree, '..', `${other.imageId}.torrent`));
  await writeFile(torrent, bytes);
  expect(await find()).toBeUndefined();
});

/** A newer image with the same files, and where the older one has them. */
async function reuseSetting(newer: Parameters<typeof bakeSketch>[1]) {
  const directory = await temporaryDirectory();
  const old = await bakeSketch(directory, sketch);
  const next = await bakeSketch(await temporaryDirectory(), newer, { version: '2' });
  const store = storeIn(join(directory, 'store'));
  const start = () => IncomingImage.open({ store, durability: durable }, next.metainfo);
  return { old, next, store, start };
}

const reusable = 1_000_000 + 300_000;

test('a file with the same content and mode becomes a link to the other image', async () => {
  const { old, next, store, start } = await reuseSetting(sketch);
  await using incoming = await start();
  expect(await incoming.reuse()).toBe(reusable);
  const [one, other] = [join(incoming.tree, 'large'), join(old.tree, 'large')];
  expect((await lstat(one)).ino).toBe((await lstat(other)).ino);
  await completeWith(store, incoming, next);
});

test('a file with the same content and another mode becomes a copy', async () => {
  const { old, next, store, start } = await reuseSetting({
    large: { executable: sketch.large },
  });
  await using incoming = await start();
  expect(await incoming.reuse()).toBe(1_000_000);
  expect((await lstat(join(old.tree, 'large'))).nlink).toBe(1);
  await completeWith(store, incoming, next);
  expect((await lstat(join(old.tree, 'large'))).mode & 0o777).toBe(0o444);
});

/** Changes a read-only file of an image in place, as a failing disk does. */
async function damage(path: string): Promise<Buffer> {
  await chmod(path, 0o644);
  const handle = await open(path, 'r+');
  await handle.write(Buffer.from([0x5a]), 0, 1, 500_000);
  await handle.close();
  await chmod(path, 0o444);
  return await readFile(path);
}

test('damaged content is never taken over, and the rest is', async () => {
  const { old, next, store, start } = await reuseSetting(sketch);
  const damaged = await damage(join(old.tree, 'large'));
  await using incoming = await start();
  // The piece with the damage is left out, and no more.
  expect(await incoming.reuse()).toBe(reusable - next.metainfo.info.pieceSizeBytes);
  await completeWith(store, incoming, next);
  expect((await readFile(join(old.tree, 'large'))).equals(damaged)).toBe(true);
});

test('a file that is gone or cut short does not keep the others from being taken over', async () => {
  const { old, next, store, start } = await reuseSetting(sketch);
  await truncate(join(old.tree, 'large'), 1_000);
  await using incoming = await start();
  expect(await incoming.reuse()).toBe(300_000);
  await rm(join(old.tree, 'd/tool'));
  expect(await incoming.reuse()).toBe(0);
  await completeWith(store, incoming, next);
});

test('a link that is found damaged after a stop is cut before anything is written to it', async () => {
  const { old, next, store, start } = await reuseSetting(sketch);
  {
    await using incoming = await start();
    await incoming.reuse();
  }
  const damaged = await damage(join(old.tree, 'large'));
  await using incoming = await start();
  await completeWith(store, incoming, next);
  expect((await readFile(join(old.tree, 'large'))).equals(damaged)).toBe(true);
});

test('a link that was made and not yet noted is cut before anything is written to it', async () => {
  const { old, next, store, start } = await reuseSetting(sketch);
  const bitmap = join(store.incomingPath(next.imageId), `${next.imageId}.verified`);
  {
    await using incoming = await start();
    await incoming.reuse();
  }
  await writeFile(bitmap, new Bitfield(next.metainfo.info.pieceCount).toBytes());
  const { ino } = await lstat(join(old.tree, 'large'));
  await using incoming = await start();
  const cut = await lstat(join(incoming.tree, 'large')).catch(() => undefined);
  expect(cut?.ino).not.toBe(ino);
  await completeWith(store, incoming, next);
});

test('a manifest that wants an empty directory where a file is fails the image, not the disk', async () => {
  const store = storeIn(join(await temporaryDirectory(), 'store'));
  const manifest = Buffer.from(
    JSON.stringify({ name: 'app', version: '1', emptyDirectories: ['.starling/image.json/x'] }),
  );
  const root = fileRoot(hashBlocks(manifest));
  const info = parseInfo(
    encodeBencode({
      'file tree': {
        '.starling': { 'image.json': { '': { length: manifest.length, 'pieces root': root } } },
      },
      'meta version': 2,
      name: 'app',
      'piece length': 262_144,
    }),
  );
  await store.open();
  const metainfo = { info, pieceLayers: new Map<string, Buffer>() };
  await using incoming = await IncomingImage.open({ store, durability: durable }, metainfo);
  await writePiece(incoming, 0, manifest);
  await expect(incoming.complete()).rejects.toMatchObject({ code: 'IMAGE_MANIFEST' });
  expect(await store.list()).toEqual([]);
});

test('a folder that can not be made is a fault of the disk', async () => {
  const { image, store, start } = await setting();
  await mkdir(store.directory, { recursive: true });
  await writeFile(store.incomingPath(image.imageId), 'in the way');
  await expect(start()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});
