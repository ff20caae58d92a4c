import {
  chmod,
  constants,
  copyFile,
  link,
  lstat,
  rename,
  truncate,
  unlink,
} from 'node:fs/promises';
import type { ImageFile } from './image-info.ts';

/**
 * The places that reuse writes to. Nothing is ever written through a hard link into another image:
 * files are made in a scratch folder on the same file system, and come to their place by a rename.
 */

/** Makes `to` a clone of `from`, sharing its blocks; fails where the file system can't. */
export type Clone = (from: string, to: string) => Promise<void>;

/** Node has no FICLONERANGE, so only whole files can be cloned. */
export const reflink: Clone = (from, to) =>
  copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);

/**
 * Links `source` at `scratch`, so that it can't vanish any more.
 * @returns whether the link is as this file of an image must be: of its size and mode, read-only
 */
export async function linkAside(
  source: string,
  scratch: string,
  file: ImageFile,
): Promise<boolean> {
  await link(source, scratch);
  const stats = await lstat(scratch);
  const mode = file.executable ? 0o555 : 0o444;
  return stats.isFile() && stats.size === file.sizeBytes && (stats.mode & 0o7777) === mode;
}

/** Puts a file made of a clone of `source`, of the right size and writable, at `path`. */
export async function cloneTo(
  clone: Clone,
  source: string,
  place: { readonly path: string; readonly scratch: string; readonly sizeBytes: number },
): Promise<void> {
  const { path, scratch, sizeBytes } = place;
  await clone(source, scratch);
  await chmod(scratch, 0o644);
  await truncate(scratch, sizeBytes);
  await rename(scratch, path);
}

/** Sees to it that writing at `path` changes no other image. A file that is new starts empty. */
export async function makeOwn(path: string, scratch: string, isNew: boolean): Promise<void> {
  const stats = await lstat(path).catch(ignoreMissing);
  if (stats === undefined) return;
  if (isNew) await unlink(path);
  else if (stats.nlink === 1) await chmod(path, 0o644);
  else {
    await copyFile(path, scratch, constants.COPYFILE_FICLONE);
    await chmod(scratch, 0o644);
    await rename(scratch, path);
  }
}

export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
