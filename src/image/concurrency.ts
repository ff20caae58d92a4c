/**
 * Runs `work` over all items, at most `limit` at a time. The first failure is thrown after what was
 * already begun has ended, so nothing goes on behind the caller's back.
 */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  let failed = false;
  const lane = async () => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: limit }, lane));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** A promise that fails when the signal is aborted, to race what can't be aborted itself. */
export function abortion(signal: AbortSignal | undefined): {
  promise: Promise<never>;
  release: () => void;
} {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => {
    reject(signal?.reason as Error);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  return { promise, release: () => signal?.removeEventListener('abort', onAbort) };
}
