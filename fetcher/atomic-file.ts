import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StorageError } from '../src/errors.ts';
import type { Durability } from '../src/image/index.ts';

/**
 * Replaces a small file by one atomic rename: a reader, and a host that was killed or lost its
 * power, sees the old text or the new one. It is on disk when this returns.
 */
export async function replaceFile(
  durability: Durability,
  path: string,
  text: string,
): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeWhole(temporary, text);
  await durability.syncFile(temporary);
  await rename(temporary, path);
  await durability.syncDirectory(dirname(path));
}

/** Writes a file, new or over what was there; not on disk before it is synced. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o644);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

/**
 * Reads a file that must be small.
 * @returns undefined when there is none.
 * @throws Error when it is longer than maxBytes or can't be read.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes) throw new Error(`it is ${size} bytes long, ${maxBytes} are allowed`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes a directory and those above it; the entries of all new ones are on disk on return. */
export async function makeDirectory(durability: Durability, path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await durability.syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** The code of a system error, such as ENOENT. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/**
 * Runs work on this disk.
 * @throws StorageError STORAGE_NO_SPACE or STORAGE_FAILED that says what could not be done.
 */
export async function onDisk<T>(what: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    const code = errorCode(cause);
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(
      full ? 'STORAGE_NO_SPACE' : 'STORAGE_FAILED',
      full
        ? `${what} failed: the disk that holds ${path} is full; make space on it.`
        : `${what} failed at ${path}: ${why}. Look at the disk and at who may write there.`,
      { cause, evidence: { path, code } },
    );
  }
}
