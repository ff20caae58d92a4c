import { chmod, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { forEachConcurrently } from './concurrency.ts';
import type { TreeDurability } from './durability.ts';
import type { ImageFile, ImageLink } from './image-info.ts';

/** What a tree on disk consists of. */
export interface TreeLayout {
  readonly files: readonly Pick<ImageFile, 'path' | 'executable'>[];
  readonly links: readonly ImageLink[];
  readonly emptyDirectories: readonly string[];
}

const concurrency = 16;

/** All directories of a layout, parents first; the tree itself is ''. */
export function directoriesOf(layout: TreeLayout): string[] {
  const found = new Set<string>(['']);
  const addWithParents = (path: string) => {
    for (let at = path; at !== '.' && !found.has(at); at = dirname(at)) found.add(at);
  };
  for (const { path } of [...layout.files, ...layout.links]) addWithParents(dirname(path));
  for (const path of layout.emptyDirectories) addWithParents(path);
  return [...found].sort((a, b) => a.length - b.length);
}

/** Makes the directories of a layout, writable; also those that were sealed before. */
export async function makeDirectories(tree: string, layout: TreeLayout): Promise<void> {
  for (const path of directoriesOf(layout)) {
    await mkdir(join(tree, path), { recursive: true });
    await chmod(join(tree, path), 0o755);
  }
}

/**
 * Completes a tree whose files hold their content: adds links, takes away the right to write, and
 * returns when all of it is on disk.
 */
export async function sealTree(
  components: { durability: TreeDurability },
  tree: string,
  layout: TreeLayout,
  options: {
    readonly signal?: AbortSignal | undefined;
    /** Files that are read-only and on disk already. */
    readonly sealed?: ReadonlySet<string>;
  } = {},
): Promise<void> {
  const { durability } = components;
  for (const { path, target } of layout.links) {
    options.signal?.throwIfAborted();
    await symlink(target, join(tree, path)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  const files = layout.files
    .filter(({ path }) => options.sealed?.has(path) !== true)
    .map(({ path, executable }) => ({ path: join(tree, path), executable }));
  await forEachConcurrently(files, concurrency, async ({ path, executable }) => {
    options.signal?.throwIfAborted();
    await chmod(path, executable ? 0o555 : 0o444);
  });
  const directories = directoriesOf(layout).map((path) => join(tree, path));
  for (const path of directories) await chmod(path, 0o555);
  await durability.syncTree(tree, [...files.map(({ path }) => path), ...directories.reverse()]);
}
