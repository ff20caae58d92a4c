/**
 * Waits for a promise, but not longer than until the signal is aborted. What the promise stands
 * for goes on: the caller ends it.
 * @throws the signal's reason.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(signal.reason as Error);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Lets one piece of work run at a time, in the order of the calls. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs the work when all that came before is done. A failure goes to its caller alone.
   * @throws the signal's reason, if it is aborted before the work's turn comes.
   */
  async take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const done = Promise.withResolvers<undefined>();
    // Also a caller that gives up while it waits must not let the next one in too early.
    this.#last = Promise.all([before, done.promise]);
    try {
      await abortable(before, signal);
      return await work();
    } finally {
      done.resolve(undefined);
    }
  }
}
