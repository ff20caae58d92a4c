import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { durable } from '../../src/image/index.ts';
import { ConfigError, StarlingError } from '../../src/errors.ts';
import { storageError, systemCode } from '../durable-file.ts';
import { unreadable } from './store.ts';
import { isBusy, sqliteReason } from './sqlite-errors.ts';
import { expectMigrated, migrate } from './sqlite-migrations.ts';

/**
 * Everything in this process stops while SQLite waits for a lock. So it waits where nothing is held up yet: at
 * the start, and in a program that only reads. A tracker that runs asks again later instead.
 */
const busyTimeoutMs = 1_000;

const settings = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA wal_autocheckpoint = 256;
  PRAGMA journal_size_limit = 1048576;
`;

/** A database of ours, and the right to be the only one who writes it. */
export interface SqliteFile {
  readonly path: string;
  /** Held as long as this process lives. Undefined for who only reads. */
  readonly lock: DatabaseSync | undefined;
  readonly db: DatabaseSync;
}

/**
 * Opens a database, makes it when it is missing, and brings its schema up to date; or, for reading,
 * changes nothing.
 * @throws ConfigError CONFIG_IN_USE when another tracker has it, CONFIG_MISSING when there is nothing to
 *   read, CONFIG_INVALID when it is not ours or from a newer tracker; StorageError and StoreError
 */
export async function openSqliteFile(
  path: string,
  { forReading }: { readonly forReading: boolean },
): Promise<SqliteFile> {
  await (forReading ? findFile(path) : makeFile(path));
  const lock = forReading ? undefined : takeLock(path);
  try {
    const db = openDatabase(path, { forReading, waitMs: busyTimeoutMs });
    if (!forReading) await durable.syncDirectory(dirname(path));
    return { path, lock, db };
  } catch (error) {
    lock?.close();
    throw error;
  }
}

/**
 * Opens the database alone, for who has the lock already. One that is written is never waited for afterwards.
 * @param options waitMs: for how long to stand still when somebody has locked it
 * @throws ConfigError CONFIG_INVALID; StoreError STORE_FAILED
 */
export function openDatabase(
  path: string,
  { forReading, waitMs }: { readonly forReading: boolean; readonly waitMs: number },
): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: waitMs, readOnly: forReading });
    if (forReading) {
      expectMigrated(db, path);
    } else {
      db.exec(settings);
      migrate(db, path);
      db.exec('PRAGMA busy_timeout = 0');
    }
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StarlingError) throw error;
    throw unreadable(`${path}: ${sqliteReason(error)}`, error);
  }
}

/** Members and tokens are nobody else's business: the file is made before SQLite would make it. */
async function makeFile(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'a', 0o600);
    await file.close();
  } catch (error) {
    throw storageError(error, `the store ${path} can't be made`);
  }
}

async function findFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r');
    await file.close();
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw storageError(error, `${path} can't be read`);
    throw new ConfigError('CONFIG_MISSING', `there is no store at ${path}`, { cause: error });
  }
}

/**
 * Locks a second, empty database for as long as this process lives: SQLite's locks are the system's,
 * which go with the process, and Node offers no other. The database itself can still be read.
 */
function takeLock(path: string): DatabaseSync {
  const lockPath = `${path}.lock`;
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(lockPath, { timeout: 0 });
    lock.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if (!isBusy(error)) throw unreadable(`${lockPath}: ${sqliteReason(error)}`, error);
    throw new ConfigError(
      'CONFIG_IN_USE',
      `another tracker has the store ${path}: end it, or give this one a directory of its own (several trackers share a fleet by etcd)`,
      { cause: error, evidence: { path } },
    );
  }
}
