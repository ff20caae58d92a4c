import { StorageError } from '../errors.ts';

/** The code of a system call's error, as ENOENT. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** A system call's error as one of this disk; errors of our own families pass through. */
export function storageError(path: string, doing: string, cause: unknown): unknown {
  const code = systemCodeOf(cause);
  if (code === undefined || !(cause instanceof Error) || !('syscall' in cause)) return cause;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const remedy = full ? 'make room on that disk' : 'check the path, its permissions and the disk';
  return new StorageError(
    full ? 'STORAGE_NO_SPACE' : 'STORAGE_FAILED',
    `${path} could not be ${doing}: ${cause.message}. To go on, ${remedy}`,
    { cause, evidence: { path } },
  );
}
