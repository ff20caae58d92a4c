import { readdir, rm, truncate, writeFile, chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeTree } from '../../../src/image/image-store.ts';
import { bakeSketch, storeIn } from '../../tools/baked-image.ts';
import { writeTree } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const tree = { 'a/b/c': 'content', link: { link: 'a/b/c' } };

test('a store lists the images that it has, and nothing else', async () => {
  const directory = await temporaryDirectory();
  const store = storeIn(join(directory, 'store'));
  expect(await store.list()).toEqual([]);
  const image = await bakeSketch(directory, tree);
  await writeTree(store.directory, { '.incoming-x/a': '', 'README.md': '' });
  expect(await store.list()).toEqual([image.imageId]);
  expect(await store.has(image.imageId)).toBe(true);
  expect((await store.read(image.imageId)).tree).toBe(image.tree);
});

test('an image that is not there has an error that says what to do', async () => {
  const store = storeIn(await temporaryDirectory());
  await expect(store.read(`b${'a'.repeat(58)}`)).rejects.toMatchObject({ code: 'IMAGE_UNKNOWN' });
});

test('a read-only image is removed, and removing it again is no error', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, tree);
  const store = storeIn(join(directory, 'store'));
  await store.remove(image.imageId);
  await store.remove(image.imageId);
  expect(await readdir(store.directory)).toEqual([]);
});

test('what a killed removal left does not hinder the next', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, tree);
  const store = storeIn(join(directory, 'store'));
  await writeTree(join(store.directory, `.removing-${image.imageId}`), { 'app/rest': 'x' });
  await store.remove(image.imageId);
  expect(await readdir(store.directory)).toEqual([]);
});

test('removing a tree does not touch what its links point to', async () => {
  const directory = await temporaryDirectory();
  await writeTree(directory, { 'kept/file': 'x', 'doomed/link': { link: '../kept' } });
  await chmod(join(directory, 'kept'), 0o500);
  await removeTree(join(directory, 'doomed'));
  expect(await readdir(directory)).toEqual(['kept']);
  expect(await readdir(join(directory, 'kept'))).toEqual(['file']);
});

test('damaged metainfo is an error of the image, and its image is still listed', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, tree);
  const store = storeIn(join(directory, 'store'));
  const path = join(store.directory, image.imageId, `${image.imageId}.torrent`);
  await chmod(path, 0o644);
  await truncate(path, 100);
  await expect(store.read(image.imageId)).rejects.toMatchObject({ code: 'IMAGE_METAINFO' });
  expect(await store.list()).toEqual([image.imageId]);
});

test('the metainfo of another image is not taken for this one', async () => {
  const directory = await temporaryDirectory();
  const one = await bakeSketch(directory, tree);
  const two = await bakeSketch(directory, {}, { version: '2' });
  const store = storeIn(join(directory, 'store'));
  const path = (id: string) => join(store.directory, id, `${id}.torrent`);
  const bytes = await readFile(path(two.imageId));
  await rm(path(one.imageId));
  await writeFile(path(one.imageId), bytes);
  await expect(store.read(one.imageId)).rejects.toMatchObject({ code: 'IMAGE_METAINFO' });
});
