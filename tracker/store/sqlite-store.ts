import { openDatabase, openSqliteFile, type SqliteFile } from './sqlite-file.ts';
import { isBusy, isIoError, sqliteReason } from './sqlite-errors.ts';
import { SqliteTables, type HistoryBounds } from './sqlite-tables.ts';
import { watchSqlite } from './sqlite-watch.ts';
import {
  checkTransaction,
  conflict,
  listLimit,
  ownKeys,
  rangeOf,
  readOnly,
  unknownOutcome,
  unreadable,
  type ChangeBatch,
  type ElectOptions,
  type Entry,
  type ListOptions,
  type Store,
  type StoreState,
  type Transaction,
  type WatchOptions,
} from './store.ts';
import { Turns } from './turns.ts';
import { Waiters } from './waiters.ts';
import { WriteState } from './write-state.ts';

export interface SqliteStoreInit {
  readonly path: string;
  /** Only reads, also while a tracker has it. */
  readonly forReading?: boolean | undefined;
  readonly history?: HistoryBounds | undefined;
  /** How often a store that takes no changes looks whether it could. */
  readonly probeIntervalMs?: number | undefined;
  /** For how long changes wait for another program that has locked the database. */
  readonly lockPatienceMs?: number | undefined;
}

const defaultHistory: HistoryBounds = { revisions: 10_000, bytes: 64 << 20 };
const defaultProbeIntervalMs = 500;
const defaultLockPatienceMs = 1_000;
const lockedPauseMs = 10;
/** A disk counts as free again when it takes what could not be written, and never less than this. */
const leastProbeBytes = 64 << 10;
/** What is written together is synced together; beyond this the next group begins. */
const groupBytes = 4 << 20;

interface PendingCommit {
  readonly transaction: Transaction;
  readonly bytes: number;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: Error) => void;
}

const closedReason = 'it is closed';

/** The tracker's hard state in one SQLite file: for one tracker at a time. */
export class SqliteStore implements Store {
  readonly #file: SqliteFile;
  readonly #init: SqliteStoreInit;
  readonly #state: WriteState;
  readonly #waiters = new Waiters();
  readonly #turns = new Turns();
  readonly #closing = new AbortController();
  /** Undefined while the database is closed, after the disk has failed. */
  #open: { readonly db: SqliteFile['db']; readonly tables: SqliteTables } | undefined;
  #pending: PendingCommit[] = [];
  /** Calls off the flush that is to come. */
  #flushing: (() => void) | undefined;
  /** Since when another program holds the lock, by a clock that nobody sets. */
  #lockedSinceMs: number | undefined;
  #probing: NodeJS.Timeout | undefined;
  #probeBytes = leastProbeBytes;
  #isEnding = false;

  private constructor(components: { readonly file: SqliteFile }, init: SqliteStoreInit) {
    this.#file = components.file;
    this.#init = init;
    const { lock, db } = this.#file;
    this.#state = new WriteState(
      lock === undefined
        ? { isWritable: false, reason: 'it was opened for reading' }
        : { isWritable: true },
    );
    this.#open = { db, tables: this.#tablesOf(db) };
  }

  /** @throws what `openSqliteFile` throws */
  static async open(init: SqliteStoreInit): Promise<SqliteStore> {
    const file = await openSqliteFile(init.path, { forReading: init.forReading ?? false });
    return new SqliteStore({ file }, init);
  }

  get isWritable(): boolean {
    return this.#state.current.isWritable;
  }

  get state(): StoreState {
    return this.#state.current;
  }

  onStateChange(listener: (state: StoreState) => void): () => void {
    return this.#state.onChange(listener);
  }

  get(key: string): Promise<Entry | undefined> {
    return this.#read((tables) => tables.get(key));
  }

  list(
    prefix: string,
    { after = '', limit }: ListOptions = {},
  ): Promise<{ entries: Entry[]; revision: number }> {
    const most = listLimit(limit);
    return this.#read((tables, db) => {
      // Another process may read here while the tracker writes: both must be of one moment.
      db.exec('BEGIN');
      try {
        const entries = tables.list(rangeOf(prefix), after, most);
        return { entries, revision: tables.revision() };
      } finally {
        db.exec('ROLLBACK');
      }
    });
  }

  watch(prefix: string, { fromRevision, signal }: WatchOptions): AsyncIterable<ChangeBatch> {
    return watchSqlite(
      {
        tables: () => this.#open?.tables,
        waiters: this.#waiters,
        onError: (error) => {
          this.#turnReadOnly(error);
        },
      },
      prefix,
      { fromRevision, signal: AbortSignal.any([signal, this.#closing.signal]) },
    );
  }

  async commit(transaction: Transaction): Promise<number> {
    return await this.#enqueue(transaction, checkTransaction(transaction));
  }

  /** Nobody else has the file, so rivals are in this process, and leadership is lost by closing alone. */
  async elect(name: string, { signal, onElected }: ElectOptions): Promise<void> {
    const ended = AbortSignal.any([signal, this.#closing.signal]);
    const key = `${ownKeys}elections/${name}`;
    await this.#turns.take(name, ended, async () => {
      const revision = await this.#putWhenWritable(key, ended);
      if (revision === undefined) return;
      try {
        await onElected(ended, { key, revision });
      } catch (error) {
        if (!ended.aborted) throw error;
      } finally {
        // The next leader's put is a fence as well, so that this one may fail.
        await this.#enqueue({ remove: [key] }, 0).catch(() => undefined);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#flushing?.();
    this.#isEnding = true;
    this.#flush();
    this.#closing.abort();
    clearTimeout(this.#probing);
    this.#state.turnReadOnly(closedReason);
    this.#closeDatabase();
    this.#file.lock?.close();
    await Promise.resolve();
  }

  /** A new revision of the key, so that what was fenced by the one before can't be done any more. */
  async #putWhenWritable(key: string, signal: AbortSignal): Promise<number | undefined> {
    while (!signal.aborted) {
      try {
        return await this.#enqueue({ put: [{ key, value: '{}' }] }, 0);
      } catch (error) {
        if (this.isWritable) throw error;
        await this.#waiters.wait(signal);
      }
    }
    return undefined;
  }

  async #enqueue(transaction: Transaction, bytes: number): Promise<number> {
    const { reason } = this.#state;
    if (reason !== undefined) throw readOnly(reason);
    return await new Promise<number>((resolve, reject) => {
      this.#pending.push({ transaction, bytes, resolve, reject });
      if (this.#flushing !== undefined) return;
      const immediate = setImmediate(() => {
        this.#flush();
      });
      this.#flushing = () => {
        clearImmediate(immediate);
      };
    });
  }

  #opened(): { readonly db: SqliteFile['db']; readonly tables: SqliteTables } {
    if (this.#open === undefined) throw unreadable(this.#state.reason ?? closedReason);
    return this.#open;
  }

  async #read<T>(work: (tables: SqliteTables, db: SqliteFile['db']) => T): Promise<T> {
    const { tables, db } = this.#opened();
    try {
      return await Promise.resolve(work(tables, db));
    } catch (error) {
      throw unreadable(sqliteReason(error), error);
    }
  }

  /** Writes all that is waiting, with one sync for each group. */
  #flush(): void {
    this.#flushing = undefined;
    while (this.#pending.length > 0) {
      const { reason } = this.#state;
      if (reason !== undefined) {
        for (const { reject } of this.#pending.splice(0)) reject(readOnly(reason));
        return;
      }
      const begun = this.#begin();
      if (begun === 'later') return;
      if (begun) this.#writeGroup(this.#takeGroup());
    }
  }

  /**
   * Takes the lock of the database. Where another program has it, the flush comes again: nothing else of this
   * process is held up meanwhile.
   * @returns false: the store is read-only from now on
   */
  #begin(): boolean | 'later' {
    try {
      this.#opened().db.exec('BEGIN IMMEDIATE');
    } catch (error) {
      if (isBusy(error) && this.#beginsAgainSoon()) return 'later';
      this.#lockedSinceMs = undefined;
      this.#turnReadOnly(error);
      return false;
    }
    this.#lockedSinceMs = undefined;
    return true;
  }

  /** @returns false: it has waited for long enough */
  #beginsAgainSoon(): boolean {
    const nowMs = performance.now();
    this.#lockedSinceMs ??= nowMs;
    const mostMs = this.#init.lockPatienceMs ?? defaultLockPatienceMs;
    if (this.#isEnding || nowMs - this.#lockedSinceMs >= mostMs) return false;
    const timer = setTimeout(() => {
      this.#flush();
    }, lockedPauseMs);
    this.#flushing = () => {
      clearTimeout(timer);
    };
    return true;
  }

  #takeGroup(): PendingCommit[] {
    let bytes = 0;
    const end = this.#pending.findIndex((commit) => (bytes += commit.bytes) > groupBytes);
    return this.#pending.splice(0, end === -1 ? this.#pending.length : Math.max(end, 1));
  }

  /** In the transaction that has begun. */
  #writeGroup(group: readonly PendingCommit[]): void {
    const { db, tables } = this.#opened();
    const answers: (() => void)[] = [];
    let isCommitting = false;
    try {
      let revision = tables.revision();
      for (const commit of group) {
        const unmet = tables.unmet(commit.transaction);
        if (unmet.length > 0) {
          answers.push(() => {
            commit.reject(conflict(unmet));
          });
          continue;
        }
        const made = ++revision;
        tables.apply(commit.transaction, made);
        answers.push(() => {
          commit.resolve(made);
        });
      }
      tables.trim();
      isCommitting = true;
      db.exec('COMMIT');
    } catch (error) {
      const failed = isCommitting && isIoError(error) ? unknownOutcome : readOnly;
      const reason = sqliteReason(error);
      this.#rollBack(error, group);
      for (const { reject } of group) reject(failed(reason, error));
      return;
    }
    for (const answer of answers) answer();
    this.#waiters.wakeAll();
  }

  /** After a full disk SQLite has often rolled back by itself. */
  #rollBack(error: unknown, group: readonly PendingCommit[]): void {
    const bytes = group.reduce((sum, commit) => sum + commit.bytes, 0);
    this.#probeBytes = Math.min(Math.max(2 * bytes, leastProbeBytes), groupBytes);
    this.#turnReadOnly(error);
    if (this.#open === undefined) return;
    const { db, tables } = this.#open;
    tables.recount();
    try {
      if (db.isTransaction) db.exec('ROLLBACK');
    } catch {
      // What can't even be rolled back is opened anew; the log of changes does not have it.
      this.#closeDatabase();
    }
  }

  #turnReadOnly(error: unknown): void {
    if (this.#closing.signal.aborted || this.#file.lock === undefined) return;
    // The kernel tells of a failed write once: nothing that this connection remembers is sure now.
    if (isIoError(error)) this.#closeDatabase();
    this.#state.turnReadOnly(sqliteReason(error));
    this.#probing ??= setTimeout(() => {
      this.#probe();
    }, this.#init.probeIntervalMs ?? defaultProbeIntervalMs);
  }

  /** Takes changes again once the disk takes as many bytes as it refused. */
  #probe(): void {
    this.#probing = undefined;
    try {
      this.#open ??= this.#reopen();
      const { db } = this.#open;
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      db.exec(`INSERT INTO probe (filler) VALUES (zeroblob(${this.#probeBytes}))`);
      db.exec('DELETE FROM probe');
    } catch (error) {
      this.#turnReadOnly(error);
      return;
    }
    this.#probeBytes = leastProbeBytes;
    this.#state.turnWritable();
    this.#waiters.wakeAll();
  }

  #reopen(): { readonly db: SqliteFile['db']; readonly tables: SqliteTables } {
    const db = openDatabase(this.#file.path, { forReading: false, waitMs: 0 });
    return { db, tables: this.#tablesOf(db) };
  }

  #tablesOf(db: SqliteFile['db']): SqliteTables {
    return new SqliteTables({ db }, this.#init.history ?? defaultHistory);
  }

  #closeDatabase(): void {
    const open = this.#open;
    this.#open = undefined;
    try {
      open?.db.close();
    } catch (error) {
      this.#state.turnReadOnly(sqliteReason(error));
    }
  }
}
