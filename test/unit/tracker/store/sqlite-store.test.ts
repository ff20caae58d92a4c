import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SqliteStore, type SqliteStoreInit } from '../../../../tracker/store/sqlite-store.ts';
import { put, readUntil, testSignal, testStoreContract } from '../../../tools/store-contract.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';

const probeIntervalMs = 5;

async function open(init: Partial<SqliteStoreInit> = {}): Promise<SqliteStore> {
  const path = init.path ?? join(await temporaryDirectory(), 'store.db');
  const store = await SqliteStore.open({ probeIntervalMs, ...init, path });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

describe('a store on SQLite', () => {
  testStoreContract(open, { propertyRuns: 30 });

  test('keeps what was committed, and goes on counting', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const before = await open({ path });
    const revision = await before.commit(put('a', 1));
    await before[Symbol.asyncDispose]();
    const after = await open({ path });
    expect(await after.get('a')).toEqual({ key: 'a', value: '1', revision });
    expect(await after.commit(put('b'))).toBeGreaterThan(revision);
  });

  test('answers what was asked for before it was closed', async () => {
    const store = await open();
    const commits = [store.commit(put('a')), store.commit(put('b'))];
    await store[Symbol.asyncDispose]();
    expect(await Promise.all(commits)).toEqual([1, 2]);
  });

  test('is for its owner only', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await open({ path });
    await store.commit(put('a'));
    for (const file of [path, `${path}-wal`]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
  });

  test('is written by one tracker, which may be read beside', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await open({ path });
    await store.commit(put('a', 1));
    await expect(open({ path })).rejects.toMatchObject({ code: 'CONFIG_IN_USE' });
    const reader = await open({ path, forReading: true });
    expect((await reader.list('')).entries).toHaveLength(1);
    await store.commit(put('b', 1));
    expect((await reader.list('')).entries).toHaveLength(2);
    await expect(reader.commit(put('c'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    await store[Symbol.asyncDispose]();
    const afterwards = await open({ path, forReading: true });
    expect((await afterwards.list('')).entries).toHaveLength(2);
    await open({ path });
  });

  test('is not made by reading', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    await expect(open({ path, forReading: true })).rejects.toMatchObject({
      code: 'CONFIG_MISSING',
    });
  });

  test('refuses the schema of a newer tracker, and what is none of its own', async () => {
    const directory = await temporaryDirectory();
    const newer = join(directory, 'newer.db');
    await (await open({ path: newer }))[Symbol.asyncDispose]();
    change(newer, "INSERT INTO migration VALUES (99, 'from tomorrow')");
    await expect(open({ path: newer })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      evidence: { schema: 99 },
    });
    await expect(open({ path: newer, forReading: true })).rejects.toThrow('newer tracker');
    const foreign = join(directory, 'foreign.db');
    change(foreign, 'CREATE TABLE song (title TEXT)');
    await expect(open({ path: foreign })).rejects.toThrow('another program');
  });

  test('waits for another program that locks it shortly, and holds nothing else up', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await open({ path, lockPatienceMs: 60_000 });
    const states: boolean[] = [];
    store.onStateChange(({ isWritable }) => states.push(isWritable));
    const other = new DatabaseSync(path);
    other.exec('BEGIN EXCLUSIVE');
    let done = 0;
    const commits = ['a', 'b'].map((key) => store.commit(put(key)).then(() => done++));
    // Were the lock waited for in place, this would not come back before the patience is over.
    for (let turns = 0; turns < 5; turns++) await delay(10);
    expect(done).toBe(0);
    expect((await store.list('')).entries).toEqual([]);
    const late = store.commit(put('c'));
    other.exec('COMMIT');
    other.close();
    await Promise.all([...commits, late]);
    expect((await store.list('')).entries.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
    expect(states).toEqual([]);
  });

  test('refuses what waits for another program when it is closed', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await open({ path, lockPatienceMs: 60_000 });
    const other = new DatabaseSync(path);
    onTestFinished(() => {
      other.close();
    });
    other.exec('BEGIN IMMEDIATE');
    const waiting = expect(store.commit(put('a'))).rejects.toMatchObject({
      code: 'STORE_READ_ONLY',
    });
    await delay(20);
    await store[Symbol.asyncDispose]();
    await waiting;
  });

  test('takes no changes while another program locks it, and loses none that it took', async () => {
    const path = join(await temporaryDirectory(), 'store.db');
    const store = await open({ path, lockPatienceMs: 30 });
    const states: boolean[] = [];
    store.onStateChange(({ isWritable }) => states.push(isWritable));
    await store.commit(put('before'));
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    await expect(store.commit(put('during'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    expect(store.state).toMatchObject({
      isWritable: false,
      reason: expect.stringContaining('locked by another program') as string,
    });
    await expect(store.commit(put('during'))).rejects.toMatchObject({ code: 'STORE_READ_ONLY' });
    expect(await store.get('before')).toBeDefined();
    other.exec('COMMIT');
    other.close();
    await expect.poll(() => store.isWritable).toBe(true);
    await store.commit(put('after'));
    expect((await store.list('')).entries.map(({ key }) => key)).toEqual(['after', 'before']);
    expect(states).toEqual([false, true]);
  });

  test('begins a watch anew that the history does not reach back to', async () => {
    const store = await open({ history: { revisions: 3, bytes: 1 << 20 } });
    for (const index of [1, 2, 3, 4, 5]) await store.commit(put(`w/${index}`));
    const [reached] = await readUntil(store, 'w/', 2, () => true);
    expect(reached).toMatchObject({ isWhole: false, length: 3 });
    const [passed] = await readUntil(store, 'w/', 1, () => true);
    expect(passed).toMatchObject({ isWhole: true, length: 5, revision: 5 });
  });

  test('bounds its history by bytes, and never forgets the newest commit', async () => {
    const store = await open({ history: { revisions: 1_000, bytes: 1_000 } });
    const value = 'x'.repeat(600);
    for (const index of [1, 2, 3]) await store.commit(put(`w/${index}`, value));
    const [reached] = await readUntil(store, 'w/', 2, () => true);
    expect(reached).toMatchObject({ isWhole: false, length: 1 });
    const [passed] = await readUntil(store, 'w/', 1, () => true);
    expect(passed).toMatchObject({ isWhole: true, length: 3 });
    await store.commit(put('w/4', 'x'.repeat(5_000)));
    expect(await readUntil(store, 'w/', 3, () => true)).toMatchObject([{ isWhole: false }]);
  });

  test('tells a slow watcher all that there is, when history has passed it', async () => {
    const store = await open({ history: { revisions: 2, bytes: 1 << 20 } });
    await store.commit(put('w/0'));
    const watch = store
      .watch('w/', { fromRevision: 0, signal: testSignal() })
      [Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ isWhole: false, length: 1 });
    for (const index of [1, 2, 3]) await store.commit(put(`w/${index}`));
    await store.commit({ remove: ['w/0'] });
    expect((await watch.next()).value).toMatchObject({ isWhole: true, length: 3 });
  });
});

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}
