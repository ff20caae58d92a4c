import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { Change, Entry, KeyRange, Transaction } from './store.ts';

/** How much of the history is kept: whichever is reached first. */
export interface HistoryBounds {
  readonly revisions: number;
  readonly bytes: number;
}

type Row = Record<string, SQLOutputValue>;

/** The statements on the tables of a store. Who calls them decides on transactions. */
export class SqliteTables {
  readonly #statements = new Map<string, StatementSync>();
  readonly #db: DatabaseSync;
  readonly #bounds: HistoryBounds;
  #historyBytes: number | undefined;

  constructor(components: { readonly db: DatabaseSync }, init: HistoryBounds) {
    this.#db = components.db;
    this.#bounds = init;
  }

  /** The revision of the newest commit; 0 before the first. */
  revision(): number {
    return Number(this.#first("SELECT value FROM counter WHERE name = 'revision'")?.value ?? 0);
  }

  get(key: string): Entry | undefined {
    const row = this.#first('SELECT key, value, revision FROM entry WHERE key = ?', key);
    return row === undefined ? undefined : (row as unknown as Entry);
  }

  list({ start, end }: KeyRange, after: string, limit: number): Entry[] {
    return this.#statement(
      'SELECT key, value, revision FROM entry WHERE key >= ? AND key < ? AND key > ? ORDER BY key LIMIT ?',
    ).all(start, end, after, limit) as unknown as Entry[];
  }

  /** Whether each change after this revision is still in the history. */
  reaches(revision: number): boolean {
    const newest = this.revision();
    if (revision >= newest) return revision === newest;
    const oldest = this.#first('SELECT min(revision) AS oldest FROM history')?.oldest;
    return typeof oldest === 'number' && revision >= oldest - 1;
  }

  /** The changes after one revision, up to and including another. */
  changes({ start, end }: KeyRange, after: number, upTo: number): Change[] {
    const rows = this.#statement(
      `SELECT key, value, revision FROM history
       WHERE revision > ? AND revision <= ? AND key >= ? AND key < ? ORDER BY revision, key`,
    ).all(after, upTo, start, end);
    return rows.map(({ key, value, revision }) => ({
      key: String(key),
      value: value === null ? undefined : String(value),
      revision: Number(revision),
    }));
  }

  /** The keys for which the expectations do not hold. */
  unmet({ expect = [] }: Transaction): string[] {
    return expect
      .filter(({ key, revision }) => (this.get(key)?.revision ?? 0) !== revision)
      .map(({ key }) => key);
  }

  /** Makes the changes of a transaction as this revision. A key that is not there is not removed. */
  apply({ put = [], remove = [] }: Transaction, revision: number): void {
    const note = this.#statement('INSERT INTO history VALUES (?, ?, ?)');
    const write = this.#statement(
      `INSERT INTO entry VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET value = excluded.value, revision = excluded.revision`,
    );
    const erase = this.#statement('DELETE FROM entry WHERE key = ?');
    for (const { key, value } of put) {
      write.run(key, value, revision);
      note.run(revision, key, value);
      this.#count(Buffer.byteLength(value));
    }
    for (const key of remove) {
      if (Number(erase.run(key).changes) > 0) note.run(revision, key, null);
    }
    this.#statement("UPDATE counter SET value = ? WHERE name = 'revision'").run(revision);
  }

  /** Forgets the oldest of the history beyond its bounds; the newest commit is never forgotten. */
  trim(): void {
    this.#forget(
      'DELETE FROM history WHERE revision <= ? RETURNING octet_length(value) AS bytes',
      this.revision() - this.#bounds.revisions,
    );
    while (this.#bytes() > this.#bounds.bytes) {
      const forgotten = this.#forget(
        `DELETE FROM history WHERE revision =
           (SELECT min(revision) FROM history WHERE revision < ?)
         RETURNING octet_length(value) AS bytes`,
        this.revision(),
      );
      if (forgotten === 0) return;
    }
  }

  /** What was counted may have been rolled back. */
  recount(): void {
    this.#historyBytes = undefined;
  }

  #forget(sql: string, revision: number): number {
    const rows = this.#statement(sql).all(revision);
    for (const { bytes } of rows) this.#count(-Number(bytes ?? 0));
    return rows.length;
  }

  #bytes(): number {
    this.#historyBytes ??= Number(
      this.#first('SELECT sum(octet_length(value)) AS bytes FROM history')?.bytes ?? 0,
    );
    return this.#historyBytes;
  }

  #count(bytes: number): void {
    if (this.#historyBytes !== undefined) this.#historyBytes += bytes;
  }

  #first(sql: string, ...parameters: (string | number)[]): Row | undefined {
    return this.#statement(sql).get(...parameters);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
