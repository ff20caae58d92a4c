import { setTimeout as sleep } from 'node:timers/promises';

const pauseMs = 50;

/**
 * Asks again and again until there is an answer, for what nobody tells of.
 * @throws Error at the deadline, with `what`; the signal's reason
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { readonly deadlineMs?: number; readonly signal?: AbortSignal } = {},
): Promise<T> {
  const { deadlineMs = 60_000, signal } = options;
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    signal?.throwIfAborted();
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(pauseMs, undefined, signal ? { signal } : {});
  }
}
