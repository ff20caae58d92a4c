import { setTimeout as sleep } from 'node:timers/promises';
import type { ElectOptions, Store } from './store.ts';

export interface LeadAgainInit extends ElectOptions {
  /** An election that has failed, or a leadership that was given up, is followed by another after this time. */
  readonly againMs: number;
  /** Told of each election that has failed: by what the store said, or by what the leader threw. */
  readonly onFailed: (error: unknown) => void;
}

/** Stands for a leadership again and again, until the signal aborts. It never throws. */
export async function leadAgain(
  store: Pick<Store, 'elect'>,
  name: string,
  { signal, onElected, againMs, onFailed }: LeadAgainInit,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await store.elect(name, { signal, onElected });
    } catch (error) {
      if (!signal.aborted) onFailed(error);
    }
    // Also a store that is closed ends an election, at once.
    await sleep(againMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
