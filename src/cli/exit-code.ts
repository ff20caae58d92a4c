import {
  ConfigError,
  DeadlineError,
  ImageError,
  isStarlingError,
  RepositoryError,
  StoreError,
  TrackerError,
} from '../errors.ts';

/** What a program's exit code says; scripts rely on it. */
export const exitCode = {
  done: 0,
  failed: 1,
  /** Used wrongly, or bad input. */
  usage: 2,
  /** A signature, a membership or a policy says no. */
  refused: 3,
  /** The deadline that was given has passed. */
  deadline: 4,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** The exit code for an error. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof RepositoryError) {
    return error.code === 'REPOSITORY_NO_RELEASE' ? exitCode.failed : exitCode.refused;
  }
  if (error instanceof ConfigError) return exitCode.usage;
  // That an image is not here, or changed under the baker, is nobody's bad input.
  if (error instanceof ImageError) {
    const failed = error.code === 'IMAGE_CHANGED' || error.code === 'IMAGE_UNKNOWN';
    return failed ? exitCode.failed : exitCode.usage;
  }
  if (error instanceof DeadlineError) return exitCode.deadline;
  // An audit log that was changed is as good as a signature that is wrong.
  if (error instanceof StoreError && error.code === 'STORE_TAMPERED') return exitCode.refused;
  // HTTP 401 and 403: the tracker knows what was asked for, and says no to who asked.
  if (error instanceof TrackerError && [401, 403].includes(Number(error.evidence.status))) {
    return exitCode.refused;
  }
  return exitCode.failed;
}

/** The code and message of an error, for people and for `--json`. */
export function describeError(error: unknown): { code: string; message: string } {
  if (isStarlingError(error)) return { code: error.code, message: error.message };
  if (error instanceof Error) {
    const { code } = error as NodeJS.ErrnoException;
    return { code: code ?? 'FAILED', message: error.message };
  }
  return { code: 'FAILED', message: String(error) };
}
