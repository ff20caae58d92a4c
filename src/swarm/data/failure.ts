import { isStarlingError } from '../../errors.ts';
import type { Failure } from './data-protocol.ts';

/** An error in a form that crosses between threads. */
export const failureOf = (error: unknown): Failure => ({
  code: isStarlingError(error) ? error.code : ((error as NodeJS.ErrnoException).code ?? 'ERROR'),
  message: error instanceof Error ? error.message : String(error),
});
