import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { durable } from '../src/image/index.ts';
import { StorageError } from '../src/errors.ts';

/** Names that end so are left from a write that did not end; nobody reads them. */
export const temporarySuffix = '.tmp';

/**
 * How files come to be on disk. It is a component, so that a test can let a write fail at any step.
 */
export interface DurableFiles {
  /**
   * Puts a file under `path` with its content on disk before the name shows it, and in place of
   * what was there. The name itself is on disk after `syncDirectory`.
   */
  replace(path: string, content: string): Promise<void>;
  /** Returns when the directory's entries are on disk. */
  syncDirectory(path: string): Promise<void>;
}

export const durableFiles: DurableFiles = {
  async replace(path, content) {
    await withTemporary(path, content, 0o644, (temporary) => rename(temporary, path));
  },
  syncDirectory: (path) => durable.syncDirectory(path),
};

/**
 * Makes a file that only its owner can read, whole and on disk or not at all.
 * @throws the system's error, EEXIST when there is one already
 */
export async function createPrivateFile(path: string, content: string): Promise<void> {
  await withTemporary(path, content, 0o600, (temporary) => link(temporary, path));
  await durable.syncDirectory(dirname(path));
}

async function withTemporary(
  path: string,
  content: string,
  mode: number,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}${temporarySuffix}`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(content, 'utf8');
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publish(temporary);
  } finally {
    // After a rename it is gone already; after a failure it must not take up room.
    await rm(temporary, { force: true });
  }
}

const noSpaceCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What a failed system call on our own files comes out as. */
export function storageError(cause: unknown, what: string): StorageError {
  if (cause instanceof StorageError) return cause;
  const code = systemCode(cause);
  const evidence = { code };
  if (code !== undefined && noSpaceCodes.has(code)) {
    return new StorageError(
      'STORAGE_NO_SPACE',
      `${what}: the disk is full; make room and try again`,
      { cause, evidence },
    );
  }
  const why = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new StorageError('STORAGE_FAILED', `${what} (${why})`, { cause, evidence });
}

/** The code of a system error, such as ENOENT. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
