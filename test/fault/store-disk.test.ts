import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SqliteStore } from '../../tracker/store/sqlite-store.ts';
import { put } from '../tools/store-contract.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { describeWithDisks } from './disk-test.ts';
import { Ext4Disk, MemoryDisk } from './mounted-disk.ts';

const within = { timeout: 10_000 };

async function openAt(directory: string): Promise<SqliteStore> {
  const path = join(directory, 'store.db');
  const store = await SqliteStore.open({ path, probeIntervalMs: 20 });
  onTestFinished(() => store[Symbol.asyncDispose]());
  return store;
}

/** Commits until one is refused. @returns the keys of those that were acknowledged */
async function fill(store: SqliteStore): Promise<string[]> {
  const told: string[] = [];
  for (;;) {
    const key = `filler/${String(told.length).padStart(6, '0')}`;
    try {
      await store.commit(put(key, 'x'.repeat(20_000)));
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORE_READ_ONLY' });
      return told;
    }
    told.push(key);
  }
}

const keysOf = async (store: SqliteStore): Promise<string[]> =>
  (await store.list('filler/')).entries.map(({ key }) => key);

await describeWithDisks('the store of a tracker', () => {
  test('takes no changes on a full disk, loses none, and goes on when there is room', async () => {
    const directory = await temporaryDirectory();
    const disk = await MemoryDisk.create(join(directory, 'disk'), 1_024);
    const store = await openAt(disk.path);
    const told = await fill(store);
    expect(told.length).toBeGreaterThan(3);
    expect(store.state).toMatchObject({
      reason: expect.stringContaining('the disk is full') as string,
    });
    expect(await keysOf(store)).toEqual(told);
    await disk.resize(8_192);
    await expect.poll(() => store.isWritable, within).toBe(true);
    await store.commit(put('after'));
    await store[Symbol.asyncDispose]();
    const again = await openAt(disk.path);
    expect(await keysOf(again)).toEqual(told);
    expect(await again.get('after')).toBeDefined();
    await again[Symbol.asyncDispose]();
  });

  test('has what it acknowledged after a power cut, and goes on when the disk is back', async () => {
    const directory = await temporaryDirectory();
    const disk = await Ext4Disk.create(join(directory, 'disk'), join(directory, 'backing'), 16);
    const store = await openAt(disk.path);
    const told: string[] = [];
    for (let index = 0; index < 20; index++) {
      const key = `filler/${String(index).padStart(6, '0')}`;
      await store.commit(put(key));
      told.push(key);
    }
    // The control: what nobody synced is not there afterwards.
    await writeFile(join(disk.path, 'unsynced'), 'x'.repeat(100_000));
    await disk.cutPower();
    await expect(store.commit(put('lost'))).rejects.toMatchObject({
      code: expect.stringMatching(/STORE_(READ_ONLY|FAILED)/) as string,
    });
    expect(store.state).toMatchObject({
      reason: expect.stringContaining('the disk failed') as string,
    });
    await store[Symbol.asyncDispose]();
    await disk.unmount();
    await disk.mountAgain();
    const again = await openAt(disk.path);
    expect(await keysOf(again)).toEqual(told);
    await again[Symbol.asyncDispose]();
  });
});
