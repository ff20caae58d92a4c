import { isStarlingError, StorageError, type StarlingError } from '../errors.ts';

/** What a failed write means, as an error that an operator can act on. Our own errors stay. */
export function storageFailure(doing: string, path: string, cause: unknown): StarlingError {
  if (isStarlingError(cause)) return cause;
  const errno = (cause as NodeJS.ErrnoException).code;
  const why = cause instanceof Error ? cause.message : String(cause);
  const evidence = { path, errno };
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new StorageError(
      'STORAGE_NO_SPACE',
      `${doing} "${path}" failed: no space is left; free some, and it goes on by itself`,
      { evidence, cause },
    );
  }
  return new StorageError('STORAGE_FAILED', `${doing} "${path}" failed: ${why}`, {
    evidence,
    cause,
  });
}

/** A disk that is full or fails may come back; a damaged image will not. */
export const isStorageFault = (error: unknown): error is StarlingError =>
  isStarlingError(error) && error.code.startsWith('STORAGE_');
