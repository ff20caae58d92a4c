import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renewFiles, verifyUpdate, type SigningKey } from '../../../src/trust/index.ts';
import { durableFiles, type DurableFiles } from '../../../tracker/durable-file.ts';
import { createOnlineWorld } from './online-world.ts';

const one = ({ key }: SigningKey) => ({ keys: [key], threshold: 1 });
const world = () => createOnlineWorld({ now: Date.now });

test('a release is a push of targets, or of a team’s file, alone', async () => {
  const { store, release, delegate, newKey, open, root } = await world();
  await store.push(release('one'));
  const team = await newKey();
  await store.push(delegate('app', team));
  const before = store.current?.set;
  const { set, summary } = await store.push(release('two', [team]));
  expect(summary).toMatchObject({
    targetsVersion: 2,
    snapshotVersion: 3,
    timestampVersion: 3,
    delegatedVersions: { app: 1 },
    releases: [{ app: 'app', release: 2 }],
  });
  verifyUpdate({ root, current: before, next: set, now: new Date() });
  expect(store.serves({ kind: 'versioned', role: 'app', version: 1 })).toBe(true);
  expect(store.serves({ kind: 'versioned', role: 'app', version: 2 })).toBe(false);
  expect(store.serves({ kind: 'versioned', role: 'other', version: 1 })).toBe(false);
  expect((await open()).current?.set).toEqual(set);
});

test('teams that release at the same time are both taken', async () => {
  const { store, release, delegate, newKey } = await world();
  const teams = [await newKey(), await newKey()] as const;
  await store.push(release('one'));
  await store.push(delegate('a', teams[0]));
  await store.push(delegate('b', teams[1]));
  await Promise.all([
    store.push(release('two', [teams[0]], 'a')),
    store.push(release('three', [teams[1]], 'b')),
  ]);
  expect(store.current?.summary.releases.map(({ app }) => app)).toEqual(['a', 'app', 'b']);
});

test('what does not verify is not named by the tracker', async () => {
  const { store, release, delegate, newKey } = await world();
  await expect(store.push({ delegated: {} })).rejects.toMatchObject({
    code: 'REPOSITORY_MIX_AND_MATCH',
  });
  await store.push(release('one'));
  const team = await newKey();
  await store.push(delegate('app', team));
  const good = release('two', [team]);
  const text = good.delegated?.app ?? '';
  const { targets } = store.current?.set ?? {};
  const cases = [
    [{ delegated: { other: text } }, 'REPOSITORY_MIX_AND_MATCH'],
    [{ delegated: { app: text.replace('"1.0.0"', '"6.6.6"') } }, 'REPOSITORY_SIGNATURE'],
    [{ delegated: { app: '{}' } }, 'REPOSITORY_MALFORMED'],
    [{ targets: text }, 'REPOSITORY_ROLLBACK'],
    [{ targets: (targets ?? '').replace('"version":2', '"version":3') }, 'REPOSITORY_SIGNATURE'],
  ] as const;
  for (const [update, code] of cases) {
    await expect(store.push(update)).rejects.toMatchObject({ code });
    expect(store.current?.summary.timestampVersion).toBe(2);
  }
  await store.push(good);
  await expect(store.push(release('three', [team]))).resolves.toBeDefined();
  await expect(store.push(good)).rejects.toMatchObject({ code: 'REPOSITORY_ROLLBACK' });
});

test('another key of the tracker signs from the next start on, and the old one nothing', async () => {
  const { store, release, nextRoot, newKey, open } = await world();
  const { set } = await store.push(release('one'));
  const fresh = await newKey();
  const next = nextRoot({ snapshot: one(fresh), timestamp: one(fresh) });
  await store.pushRoot(next);
  expect(store.signsOnline).toBe(false);
  expect(store.current?.set).toEqual(set);
  await expect(store.push(release('two'))).rejects.toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
  const again = await open({ onlineKey: fresh });
  const signed = await again.signAgain();
  verifyUpdate({ root: next, current: undefined, next: signed?.set ?? set, now: new Date() });
  expect(signed?.summary.timestampVersion).toBe(2);
});

test('where root has another key for targets, the tracker waits for its signature', async () => {
  const { store, release, nextRoot, newKey, open, root } = await world();
  const { set } = await store.push(release('one'));
  const fresh = await newKey();
  expect(await store.pushRoot(nextRoot({ targets: one(fresh) }))).toBe(2);
  expect(store.current?.set).toEqual(set);
  expect((await open()).current?.set).toEqual(set);
  await expect(store.signAgain()).rejects.toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
  const init = { root: store.root, currentRoot: root, keys: [fresh], current: set };
  await store.push(renewFiles({ ...init, now: new Date(), evenWhenFresh: true }));
  expect(store.current?.summary).toMatchObject({ targetsVersion: 2, releases: [{ release: 1 }] });
});

test('a new root comes with what its keys have signed, or nothing of it is taken', async () => {
  const { store, release, nextRoot, newKey, root, keys, directory } = await world();
  const { set } = await store.push(release('one'));
  const fresh = await newKey();
  const next = nextRoot({ targets: one(fresh) });
  const init = { now: new Date(), current: set, evenWhenFresh: true };
  const bad = renewFiles({ ...init, root, keys });
  await expect(store.pushRoot(next, bad)).rejects.toMatchObject({ code: 'REPOSITORY_SIGNATURE' });
  expect(store.root).toBe(root);
  expect(await readdir(directory)).not.toContain('2.root.json');
  const good = renewFiles({ ...init, root: next, currentRoot: root, keys: [fresh] });
  expect(await store.pushRoot(next, good)).toBe(2);
  const { set: renewed } = store.current ?? { set };
  verifyUpdate({ root: next, current: undefined, next: renewed, now: new Date() });
  expect(store.current?.summary.releases).toMatchObject([{ release: 1 }]);
});

test('no root is taken that does not follow', async () => {
  const { store, nextRoot, root, newKey, open } = await world();
  const fresh = await newKey();
  const second = nextRoot({ root: one(fresh) }, [fresh]);
  for (const bad of [root, '{}', nextRoot({ root: one(fresh) })]) {
    await expect(store.pushRoot(bad)).rejects.toMatchObject({ name: 'RepositoryError' });
  }
  await store.pushRoot(second);
  await expect(store.pushRoot(second)).rejects.toMatchObject({ name: 'RepositoryError' });
  expect(store.serves({ kind: 'versioned', role: 'root', version: 2 })).toBe(true);
  expect(store.serves({ kind: 'versioned', role: 'root', version: 3 })).toBe(false);
  // Started with the first one or without, it goes on with the newest.
  expect((await open()).root).toBe(second);
});

test('a chain of roots that is not one is not used', async () => {
  const { store, nextRoot, newKey, open, directory } = await world();
  const fresh = await newKey();
  await store.pushRoot(nextRoot({ root: one(fresh) }, [fresh]));
  const text = await readFile(join(directory, 'root.json'), 'utf8');
  await writeFile(join(directory, 'root.json'), text.replace('"version":2', '"version":3'));
  await expect(open()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
});

test('a disk that is full at any step of a rotation leaves a repository that opens', async () => {
  for (let failAt = 0; failAt < 9; failAt++) {
    const { store, release, nextRoot, newKey, root, open } = await world();
    const { set } = await store.push(release('one'));
    let steps = 0;
    const step = () => {
      if (steps++ >= failAt) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    const files: DurableFiles = {
      async replace(path, content) {
        step();
        await durableFiles.replace(path, content);
      },
      async syncDirectory(path) {
        step();
        await durableFiles.syncDirectory(path);
      },
    };
    const fresh = await newKey();
    const next = nextRoot({ targets: one(fresh) });
    const init = { root: next, currentRoot: root, keys: [fresh], now: new Date(), current: set };
    const update = renewFiles({ ...init, evenWhenFresh: true });
    const failing = await open({ files });
    await failing.pushRoot(next, update).catch(() => undefined);
    const again = await open();
    expect(again.current?.summary.releases, String(failAt)).toMatchObject([{ release: 1 }]);
    if (again.root === root) await again.pushRoot(next, update);
    else await again.push(update);
    expect(again.root).toBe(next);
  }
});
