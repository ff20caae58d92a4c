import type { SqliteTables } from './sqlite-tables.ts';
import {
  batchOf,
  rangeOf,
  type ChangeBatch,
  type Entry,
  type KeyRange,
  type WatchOptions,
} from './store.ts';
import type { Waiters } from './waiters.ts';

/** So many revisions are read from the history at a time. */
const revisionsAtOnce = 200;

export interface SqliteWatchComponents {
  /** Those of the database; undefined while it is closed, because the disk has failed. */
  readonly tables: () => SqliteTables | undefined;
  /** Woken by each commit, and when reading may work again. */
  readonly waiters: Waiters;
  /** Told when reading fails. */
  readonly onError: (error: unknown) => void;
}

/**
 * The changes below a prefix, read from the history whenever there was a commit. A watcher holds a
 * revision and nothing else, so a slow one costs nothing.
 */
export async function* watchSqlite(
  { tables, waiters, onError }: SqliteWatchComponents,
  prefix: string,
  options: WatchOptions,
): AsyncGenerator<ChangeBatch> {
  const range = rangeOf(prefix);
  const { signal } = options;
  let known = options.fromRevision;
  while (!signal.aborted) {
    let next: ChangeBatch | undefined;
    try {
      next = nextBatch(tables(), range, known);
    } catch (error) {
      onError(error);
    }
    if (next === undefined) {
      await waiters.wait(signal);
      continue;
    }
    known = next.revision;
    if (next.length > 0 || next.isWhole) yield next;
  }
}

/** What comes after a revision; undefined: nothing yet. */
function nextBatch(
  tables: SqliteTables | undefined,
  range: KeyRange,
  known: number | undefined,
): ChangeBatch | undefined {
  if (tables === undefined) return undefined;
  const newest = tables.revision();
  if (known === undefined || !tables.reaches(known)) {
    return batchOf(allOf(tables, range), { isWhole: true, revision: newest });
  }
  if (known === newest) return undefined;
  const revision = Math.min(newest, known + revisionsAtOnce);
  return batchOf(tables.changes(range, known, revision), { isWhole: false, revision });
}

const allOf = (tables: SqliteTables, range: KeyRange): Entry[] =>
  tables.list(range, '', Number.MAX_SAFE_INTEGER);
