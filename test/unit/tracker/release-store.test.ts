import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { StorageError } from '../../../src/errors.ts';
import { durableFiles } from '../../../tracker/durable-file.ts';
import type { DurableFiles } from '../../../tracker/durable-file.ts';
import { ReleaseStore } from '../../../tracker/release-store.ts';
import { createPublisher, temporaryDirectory } from './running-tracker.ts';

const log = pino({ level: 'silent' });

const open = (directory: string, rootPath?: string, files?: DurableFiles, now = Date.now) =>
  ReleaseStore.open({ now, log, files }, { directory, rootPath });

/** A disk that is full from the given step on, until there is room again. */
class FullDisk implements DurableFiles {
  failAt = Infinity;
  steps: string[] = [];

  async replace(path: string, content: string): Promise<void> {
    this.#step(`replace ${path.split('/').at(-1) ?? ''}`);
    await durableFiles.replace(path, content);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step('sync');
    await durableFiles.syncDirectory(path);
  }

  #step(what: string): void {
    if (this.steps.length >= this.failAt) {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    }
    this.steps.push(what);
  }
}

test('the timestamp is written when all that it leads to is on disk', async () => {
  const publisher = await createPublisher();
  const disk = new FullDisk();
  const store = await open(await temporaryDirectory(), publisher.rootPath, disk);
  disk.steps = [];
  await store.push(publisher.release('one'));
  expect(disk.steps).toEqual([
    'replace 1.targets.json',
    'replace 1.snapshot.json',
    'sync',
    'replace timestamp.json',
    'sync',
  ]);
});

test('a disk that is full at any step leaves the old set, served and after a restart', async () => {
  const publisher = await createPublisher();
  const first = publisher.release('one');
  const second = publisher.release('two', first);
  for (let failAt = 0; failAt < 4; failAt++) {
    const directory = await temporaryDirectory();
    const disk = new FullDisk();
    const store = await open(directory, publisher.rootPath, disk);
    await store.push(first);
    disk.steps = [];
    disk.failAt = failAt;
    await expect(store.push(second)).rejects.toMatchObject({ code: 'STORAGE_NO_SPACE' });
    expect(store.current?.set).toEqual(first);
    expect(store.serves({ kind: 'versioned', role: 'targets', version: 2 })).toBe(false);
    expect((await open(directory)).current?.set).toEqual(first);

    disk.failAt = Infinity;
    await store.push(second);
    expect((await open(directory)).current?.set).toEqual(second);
  }
});

test('a timestamp that may not be on disk is not served, and the push can be made again', async () => {
  const publisher = await createPublisher();
  const first = publisher.release('one');
  const second = publisher.release('two', first);
  const directory = await temporaryDirectory();
  const disk = new FullDisk();
  const store = await open(directory, publisher.rootPath, disk);
  await store.push(first);
  disk.steps = [];
  disk.failAt = 4;
  await expect(store.push(second)).rejects.toThrow(StorageError);
  expect(store.current?.set).toEqual(first);
  // It may have reached the disk nevertheless; then it is whole.
  expect((await open(directory)).current?.set).toEqual(second);
  disk.failAt = Infinity;
  expect((await store.push(second)).set).toEqual(second);
});

test('versioned files without their timestamp, as a crash leaves them, are no release', async () => {
  const publisher = await createPublisher();
  const first = publisher.release('one');
  const second = publisher.release('two', first);
  const directory = await temporaryDirectory();
  await (await open(directory, publisher.rootPath)).push(first);
  await writeFile(join(directory, '2.targets.json'), second.targets);
  await writeFile(join(directory, '2.snapshot.json'), second.snapshot);
  await writeFile(join(directory, 'timestamp.json.0011aabbccdd.tmp'), second.timestamp.slice(9));
  const store = await open(directory);
  expect(store.current?.set).toEqual(first);
  expect((await readdir(directory)).sort()).toEqual([
    '1.root.json',
    '1.snapshot.json',
    '1.targets.json',
    'root.json',
    'timestamp.json',
  ]);
  const other = publisher.release('another second', first);
  await store.push(other);
  expect(await readFile(join(directory, '2.targets.json'), 'utf8')).toBe(other.targets);
});

test('a set that is not whole is not served', async () => {
  const publisher = await createPublisher();
  const first = publisher.release('one');
  const second = publisher.release('two', first);
  const breakings: ((directory: string) => Promise<void>)[] = [
    (directory) => rm(join(directory, '1.targets.json')),
    (directory) => rm(join(directory, '1.snapshot.json')),
    (directory) => writeFile(join(directory, 'timestamp.json'), second.timestamp),
    (directory) => writeFile(join(directory, 'timestamp.json'), ''),
    (directory) => writeFile(join(directory, '1.targets.json'), second.targets),
    (directory) => writeFile(join(directory, '1.targets.json'), `${first.targets} `),
  ];
  for (const destroy of breakings) {
    const directory = await temporaryDirectory();
    await (await open(directory, publisher.rootPath)).push(first);
    await destroy(directory);
    await expect(open(directory)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
  }
});

test('a set that has expired while the tracker was down is loaded, for there is no newer one', async () => {
  const publisher = await createPublisher();
  const directory = await temporaryDirectory();
  const first = publisher.release('one');
  await (await open(directory, publisher.rootPath)).push(first);
  const later = Date.now() + 400 * 86_400_000;
  const store = await open(directory, undefined, undefined, () => later);
  expect(store.current?.set).toEqual(first);
  const second = publisher.release('two', first, new Date(later));
  expect((await store.push(second)).summary.targetsVersion).toBe(2);
});

test('pushes at the same time run one after the other, and the second sees the first', async () => {
  const publisher = await createPublisher();
  const store = await open(await temporaryDirectory(), publisher.rootPath);
  const first = publisher.release('one');
  const rivals = ['a', 'b', 'c'].map((content) => publisher.release(content, first));
  const results = await Promise.allSettled([first, ...rivals].map((set) => store.push(set)));
  expect(results.map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
  ]);
  for (const result of results.slice(2)) {
    expect(result).toMatchObject({ reason: { code: 'REPOSITORY_ROLLBACK' } });
  }
  expect(store.current?.set).toEqual(rivals[0]);
});

test('superseded versions stay for a while, but not for ever', async () => {
  const publisher = await createPublisher();
  const directory = await temporaryDirectory();
  const store = await open(directory, publisher.rootPath);
  let set = publisher.release('0');
  await store.push(set);
  for (let release = 1; release < 60; release++) {
    set = publisher.release(`${release}`, set);
    await store.push(set);
  }
  const names = await readdir(directory);
  expect(names).not.toContain('10.targets.json');
  expect(names).toContain('11.targets.json');
  expect(names.filter((name) => name.endsWith('.snapshot.json'))).toHaveLength(50);
  expect(names).toContain('1.root.json');
});

test('the root is kept at the first start, needed then, and no other is taken later', async () => {
  const publisher = await createPublisher();
  const other = await createPublisher();
  const directory = await temporaryDirectory();
  await expect(open(directory)).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  expect((await open(directory, publisher.rootPath)).root).toBe(publisher.root);
  expect((await open(directory)).root).toBe(publisher.root);
  expect((await open(directory, publisher.rootPath)).root).toBe(publisher.root);
  await expect(open(directory, other.rootPath)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(await readFile(join(directory, '1.root.json'), 'utf8')).toBe(publisher.root);
});

test('what is no root, or not signed by its own keys, is not kept', async () => {
  const publisher = await createPublisher();
  const directory = await temporaryDirectory();
  const path = join(directory, 'given.json');
  const forged = publisher.root.replace(/"sig": ?"../, (start) => `${start.slice(0, -2)}00`);
  for (const text of [
    '',
    '{}',
    '[]',
    publisher.release('x').targets,
    forged,
    ' '.repeat(2 << 20),
  ]) {
    await writeFile(path, text);
    await expect(open(directory, path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  }
  await expect(open(directory, join(directory, 'none'))).rejects.toThrow(/ENOENT/);
  expect(await readdir(directory)).toEqual(['given.json']);
});
