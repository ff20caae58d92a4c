import type * as z from 'zod';
import { isStarlingError, StoreError, TrackerError } from '../../src/errors.ts';
import type { Entry, Expectation, ReadStore } from '../store/index.ts';

/** What all that the fleet keeps in the store has in common. */

/** A lost race is run again so often. */
const maxTries = 20;

/** @throws StoreError STORE_FAILED when it is not what we write: somebody else wrote it */
export function parseEntry<T>(schema: z.ZodType<T>, { key, value }: Entry): T {
  const result = schema.safeParse(JSON.parse(value));
  if (result.success) return result.data;
  throw new StoreError(
    'STORE_FAILED',
    `what the store has at ${key} can't be read: ${result.error.message}; a newer tracker may have written it`,
    { evidence: { key } },
  );
}

export const put = (key: string, value: unknown) => ({ key, value: JSON.stringify(value) });

/** That a key is as it was read. */
export const expectation = (key: string, entry: Entry | undefined): Expectation => ({
  key,
  revision: entry?.revision ?? 0,
});

/** All entries below a prefix, page by page. */
export async function listAll(store: ReadStore, prefix: string): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const { entries } = await store.list(prefix, { after: all.at(-1)?.key });
    all.push(...entries);
    if (entries.length === 0) return all;
  }
}

/**
 * Reads and decides anew when somebody else was first.
 * @throws TrackerError TRACKER_FAILED when others are first again and again
 */
export async function tryAgain<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const isRace = isStarlingError(error) && error.code === 'STORE_CONFLICT';
      if (!isRace) throw error;
      if (tries === maxTries) {
        const why = 'others change the same again and again; nothing was changed, try again';
        throw new TrackerError('TRACKER_FAILED', why, { cause: error });
      }
    }
  }
}
