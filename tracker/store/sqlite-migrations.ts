import type { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../../src/errors.ts';

interface Migration {
  readonly name: string;
  readonly sql: string;
}

/** What makes the schema, step by step. A step that was released is never changed. */
const migrations: readonly Migration[] = [
  {
    name: 'entries and their history',
    sql: `
      CREATE TABLE entry (
        key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE history (
        revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (revision, key)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO counter VALUES ('revision', 0);
      CREATE TABLE probe (number INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
    `,
  },
];

/**
 * Brings the schema of a database to the newest one that is known here.
 * @throws ConfigError CONFIG_INVALID for a newer schema, or a database that is none of ours
 */
export function migrate(db: DatabaseSync, path: string): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const done = schemaNumber(db, path);
    if (done === 0) {
      db.exec('CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT');
    }
    for (const [index, { name, sql }] of migrations.entries()) {
      if (index < done) continue;
      db.exec(sql);
      db.prepare('INSERT INTO migration VALUES (?, ?)').run(index + 1, name);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Refuses a database whose schema is not the newest one: who only reads changes nothing. */
export function expectMigrated(db: DatabaseSync, path: string): void {
  const number = schemaNumber(db, path);
  if (number === migrations.length) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${path} has schema ${number} of ${migrations.length}; start the tracker once, which brings it up to date`,
  );
}

/** How many migrations were done; 0 for an empty database. */
function schemaNumber(db: DatabaseSync, path: string): number {
  const { ours, all } = db
    .prepare(
      "SELECT count(*) AS 'all', count(*) FILTER (WHERE name = 'migration') AS ours FROM sqlite_schema",
    )
    .get() as { ours: number; all: number };
  if (all === 0) return 0;
  if (ours === 0) {
    throw new ConfigError('CONFIG_INVALID', `${path} is the database of another program`);
  }
  const { number } = db.prepare('SELECT max(number) AS number FROM migration').get() as {
    number: number;
  };
  if (number <= migrations.length) return number;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${path} was written by a newer tracker (schema ${number}; this one knows ${migrations.length}): run that one`,
    { evidence: { path, schema: number, known: migrations.length } },
  );
}
