import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ReadOnlyChunkStore } from '../../../seeder/gateway/read-only-chunk-store.ts';
import { makeV1Torrent, type StoredImage } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const pieceSizeBytes = 16_384;
const large = seededBytes(1, 3 * pieceSizeBytes);

async function opened(): Promise<{
  image: StoredImage;
  store: ReadOnlyChunkStore;
  failures: unknown[];
}> {
  const image = await bakeSketch(await temporaryDirectory(), { large }, { pieceSizeBytes });
  const torrent = await makeV1Torrent(image, { threads: 1 });
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  return {
    image,
    store: new ReadOnlyChunkStore({ torrent, tree: image.tree, onFailure }),
    failures,
  };
}

const get = (store: ReadOnlyChunkStore, piece: number, part?: { offset: number; length: number }) =>
  new Promise<Uint8Array | undefined>((resolve, reject) => {
    store.get(piece, part ?? null, (error, data) => {
      if (error === null) resolve(data);
      else reject(error);
    });
  });

test('it gives whole pieces and parts of them', async () => {
  const { image, store } = await opened();
  const manifest = await readFile(join(image.tree, '.starling/image.json'));
  const all = Buffer.concat([manifest, large]);
  expect(await get(store, 1)).toEqual(all.subarray(pieceSizeBytes, 2 * pieceSizeBytes));
  expect(await get(store, 0, { offset: 5, length: 10 })).toEqual(all.subarray(5, 15));
  expect(await get(store, 3)).toEqual(all.subarray(3 * pieceSizeBytes));
});

test('a piece that the disk damaged is not given, and is told of', async () => {
  const { image, store, failures } = await opened();
  const damaged = Buffer.from(large);
  damaged[2 * pieceSizeBytes] = (damaged[2 * pieceSizeBytes] ?? 0) ^ 1;
  await chmod(join(image.tree, 'large'), 0o644);
  await writeFile(join(image.tree, 'large'), damaged);
  await expect(get(store, 2)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
  expect(failures).toMatchObject([{ code: 'STORAGE_CORRUPT', evidence: { piece: 2 } }]);
  expect((await get(store, 1))?.length).toBe(pieceSizeBytes);
});

test('whatever it is told to do, the tree stays as it is', async () => {
  const { image, store } = await opened();
  const before = await describeTree(image.tree);
  const calls = [
    new Promise((resolve) => {
      store.put(0, Buffer.alloc(pieceSizeBytes), resolve);
    }),
    new Promise((resolve) => {
      store.destroy(resolve);
    }),
  ];
  expect(await Promise.all(calls)).toMatchObject([{ code: 'STORAGE_FAILED' }, null]);
  expect(await describeTree(image.tree)).toEqual(before);
});
