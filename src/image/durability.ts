import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { forEachConcurrently } from './concurrency.ts';

/**
 * How what was written is made to survive a power cut. It is a component, so that a test can show
 * that without it the power cut does destroy.
 */
export interface Durability {
  /** Returns when the file's content and size are on disk. */
  syncFile(path: string): Promise<void>;
  /** Returns when the directory's entries are on disk. */
  syncDirectory(path: string): Promise<void>;
}

/** Also for whole trees. */
export interface TreeDurability extends Durability {
  /** Returns when many files and directories are on disk, all of which lie below `root`. */
  syncTree(root: string, paths: readonly string[]): Promise<void>;
}

/**
 * fsync(2) of each file; of many, syncfs(2) of their file system, which takes one commit of its
 * journal where the others take one for every file.
 */
export const durable: TreeDurability = { syncFile: fsync, syncDirectory: fsync, syncTree };

/** So many are faster synced together, though that waits for what others write as well. */
const manyPaths = 64;
const concurrency = 16;

async function fsync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

async function syncTree(root: string, paths: readonly string[]): Promise<void> {
  if (paths.length >= manyPaths && (await syncFileSystem(root))) return;
  await forEachConcurrently(paths, concurrency, fsync);
}

/**
 * Node has no syncfs; coreutils' `sync` has. Where it is missing or fails, the caller syncs each
 * file, and so finds out which one can't be.
 */
async function syncFileSystem(path: string): Promise<boolean> {
  try {
    await promisify(execFile)('sync', ['--file-system', path]);
    return true;
  } catch {
    return false;
  }
}
