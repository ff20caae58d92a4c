import { setTimeout as delay } from 'node:timers/promises';

const everyMs = 100;

/** Looks again and again until something holds. */
export async function untilHolds(
  look: () => Promise<boolean>,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  while (!(await look())) await delay(everyMs, undefined, { signal });
}
