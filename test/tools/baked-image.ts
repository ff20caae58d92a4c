import { join } from 'node:path';
import {
  bake,
  durable,
  ImageStore,
  type BakeInit,
  type BakeOptions,
  type TreeDurability,
  type StoredImage,
} from '../../src/image/index.ts';
import { writeTree, type TreeSketch } from './tree-sketch.ts';

/** For trees that no test cuts the power of: a busy disk must not slow it down. */
const notDurable: TreeDurability = {
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
  syncTree: () => Promise.resolve(),
};

/** The store of images in a folder. */
export const storeIn = (directory: string): ImageStore =>
  new ImageStore({ durability: durable }, { directory });

/**
 * Writes a tree into `directory/tree` and bakes it into the store `directory/store`, without the
 * v1 half and on one thread unless told otherwise.
 */
export async function bakeSketch(
  directory: string,
  sketch: TreeSketch,
  init: Partial<BakeInit> = {},
  options: BakeOptions = {},
): Promise<StoredImage> {
  const path = join(directory, 'tree');
  await writeTree(path, sketch);
  return await bake(
    { store: storeIn(join(directory, 'store')), durability: notDurable },
    { path, name: 'app', version: '1.0.0', hybrid: false, threads: 1, ...init },
    options,
  );
}
