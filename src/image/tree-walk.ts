import type { BigIntStats } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from '../errors.ts';
import { checkLinkTarget, checkPathPart } from './tree-path.ts';

/** What identifies a file's content between two looks at it. */
export interface FileState {
  readonly inode: bigint;
  readonly sizeBytes: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

export type TreeEntry =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly sizeBytes: number;
      readonly executable: boolean;
      readonly state: FileState;
    }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'emptyDirectory'; readonly path: string };

const maxDepth = 100;

/**
 * Lists a tree, in no particular order. Links are not followed.
 * @throws ImageError IMAGE_TREE for what an image can't carry, with its path: sockets, devices,
 * pipes, names that are not UTF-8, links that leave the tree.
 */
export async function walkTree(
  root: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<TreeEntry[]> {
  const entries: TreeEntry[] = [];
  await walkDirectory(root, [], entries, options.signal);
  return entries;
}

async function walkDirectory(
  root: string,
  parts: readonly string[],
  entries: TreeEntry[],
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted();
  const here = parts.join('/');
  if (parts.length > maxDepth) throw treeError(here, `it lies more than ${maxDepth} deep`);
  const names = await readdir(join(root, ...parts), { encoding: 'buffer' });
  if (names.length === 0 && parts.length > 0) entries.push({ kind: 'emptyDirectory', path: here });
  for (const bytes of names) {
    const name = bytes.toString('utf8');
    checkPathPart(bytes, (what) => treeError([...parts, name].join('/'), what));
    const path = [...parts, name];
    const stats = await lstat(join(root, ...path), { bigint: true });
    if (stats.isDirectory()) await walkDirectory(root, path, entries, signal);
    else entries.push(await entryOf(root, path, stats));
  }
}

async function entryOf(
  root: string,
  parts: readonly string[],
  stats: BigIntStats,
): Promise<TreeEntry> {
  const path = parts.join('/');
  if (stats.isFile()) {
    return {
      kind: 'file',
      path,
      sizeBytes: Number(stats.size),
      executable: (stats.mode & 0o100n) !== 0n,
      state: fileState(stats),
    };
  }
  if (stats.isSymbolicLink()) return { kind: 'link', path, target: await linkTarget(root, parts) };
  throw treeError(path, `it is ${kindOf(stats)}, and an image carries files and links`);
}

export const fileState = (stats: BigIntStats): FileState => ({
  inode: stats.ino,
  sizeBytes: stats.size,
  modifiedNs: stats.mtimeNs,
  changedNs: stats.ctimeNs,
});

export const sameState = (a: FileState, b: FileState): boolean =>
  a.inode === b.inode &&
  a.sizeBytes === b.sizeBytes &&
  a.modifiedNs === b.modifiedNs &&
  a.changedNs === b.changedNs;

function kindOf(stats: BigIntStats): string {
  if (stats.isSocket()) return 'a socket';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return 'a device';
  return 'of an unknown kind';
}

/** The link's own text in its shortest form; see checkLinkTarget for what is allowed. */
async function linkTarget(root: string, parts: readonly string[]): Promise<string> {
  const path = parts.join('/');
  const bytes = await readlink(join(root, ...parts), { encoding: 'buffer' });
  const text = bytes.toString('utf8');
  const refuse = (what: string) => treeError(path, what);
  if (text.startsWith('/')) {
    throw refuse(`it links to the absolute path "${text}"; an image has no fixed place on a host`);
  }
  const target: string[] = [];
  for (const part of text.split('/')) {
    if (part === '' || part === '.') continue;
    const last = target.at(-1);
    if (part === '..' && last !== undefined && last !== '..') {
      await assertRealDirectory(join(root, ...parts.slice(0, -1), ...target), refuse, text);
      target.pop();
    } else {
      target.push(part);
    }
  }
  if (target.length === 0) target.push('.');
  checkLinkTarget(parts, target, refuse);
  for (const part of target) checkPathPart(Buffer.from(part), refuse, ['.', '..']);
  if (!Buffer.from(text).equals(bytes)) throw refuse('its target is not UTF-8');
  return target.join('/');
}

async function assertRealDirectory(
  path: string,
  refuse: (what: string) => Error,
  text: string,
): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory() !== true) {
    throw refuse(`its target "${text}" goes back up through something that is no directory`);
  }
}

function treeError(path: string, what: string): ImageError {
  return new ImageError('IMAGE_TREE', `"${path}" can't be baked: ${what}`, { evidence: { path } });
}
