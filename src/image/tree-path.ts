import { isUtf8 } from 'node:buffer';

/**
 * The rules for names and links inside an image's tree, the same for what is baked and for what
 * comes from outside. A tree that passes can be laid out on disk without leaving its folder.
 */

/** Makes the error for a fault; the caller knows whose fault it is. */
export type Refuse = (what: string) => Error;

/** A name of one file or directory: UTF-8, 1 to 255 bytes, no `/`, no NUL, not `.` or `..`. */
export function checkPathPart(name: Buffer, refuse: Refuse, allowed: readonly string[] = []): void {
  const text = name.toString('utf8');
  const shown = JSON.stringify(text);
  if (name.length === 0) throw refuse('a name is empty');
  if (name.length > 255) throw refuse(`the name ${shown} is longer than 255 bytes`);
  if (!isUtf8(name)) throw refuse(`the name ${shown} is not UTF-8`);
  if (allowed.includes(text)) return;
  if (text === '.' || text === '..') throw refuse(`the name ${shown} would leave its directory`);
  if (text.includes('/') || text.includes('\0')) throw refuse(`the name ${shown} has / or NUL`);
}

/**
 * A link's target, as the parts of a path relative to the link's directory. `..` may only come
 * first: after a name, which may be a link itself, it could lead anywhere. `.` may stand alone.
 */
export function checkLinkTarget(
  linkParts: readonly string[],
  targetParts: readonly string[],
  refuse: Refuse,
): void {
  const shown = `the link "${linkParts.join('/')}" to "${targetParts.join('/')}"`;
  if (targetParts.length === 0) throw refuse(`${shown} has no target`);
  if (targetParts.length === 1 && targetParts[0] === '.') return;
  const named = targetParts.findIndex((part) => part !== '..');
  const ups = named < 0 ? targetParts.length : named;
  if (ups > linkParts.length - 1) throw refuse(`${shown} leaves the tree`);
  if (targetParts.slice(ups).some((part) => part === '..' || part === '.')) {
    throw refuse(`${shown} has . or .. after a name; make it direct`);
  }
}

/** Sorts paths as the file tree of BEP 52 does: part by part, by their bytes. */
export function compareTreePaths(a: string, b: string): number {
  return Buffer.compare(sortKey(a), sortKey(b));
}

const sortKey = (path: string): Buffer => Buffer.from(path.replaceAll('/', '\0'), 'utf8');
