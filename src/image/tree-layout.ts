import { chmodSync, mkdirSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import type { TreeDurability } from './durability.ts';
import type { ImageFile, ImageLink } from './image-info.ts';

/** What a tree on disk consists of. */
export interface TreeLayout {
  readonly files: readonly Pick<ImageFile, 'path' | 'executable'>[];
  readonly links: readonly ImageLink[];
  readonly emptyDirectories: readonly string[];
}

const callsInTurn = 256;

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
  await inTurns(directoriesOf(layout), (path) => {
    mkdirSync(join(tree, path), { recursive: true });
    chmodSync(join(tree, path), 0o755);
  });
}

/**
 * Does small calls to the file system at once, some at a time: through the thread pool each takes
 * several times as long as the system needs for it, and trees have tens of thousands of them.
 */
async function inTurns<T>(items: readonly T[], work: (item: T) => void): Promise<void> {
  for (let at = 0; at < items.length; at += callsInTurn) {
    for (const item of items.slice(at, at + callsInTurn)) work(item);
    await immediate();
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
  await inTurns(files, ({ path, executable }) => {
    options.signal?.throwIfAborted();
    chmodSync(path, executable ? 0o555 : 0o444);
  });
  const directories = directoriesOf(layout).map((path) => join(tree, path));
  await inTurns(directories, (path) => {
    chmodSync(path, 0o555);
  });
  await durability.syncTree(tree, [...files.map(({ path }) => path), ...directories.reverse()]);
}
