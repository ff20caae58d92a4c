import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TrackerClient } from '../../../src/api/index.ts';
import { imageIdOf } from '../../../src/image/index.ts';
import {
  createKeys,
  loadKeyFiles,
  loadPublicKeys,
  openOnlineKey,
  readPublishedSet,
  signNextRoot,
  signReleaseFile,
  verifyUpdate,
} from '../../../src/trust/index.ts';
import { createPublisher, runTracker, temporaryDirectory } from './running-tracker.ts';

const infoHash = 'ab'.repeat(32);
const release = {
  app: 'app',
  channel: 'stable',
  imageId: imageIdOf(Buffer.from(infoHash, 'hex')),
  infoHash,
  infoBytes: 9,
  version: '1.0.0',
};

test('a new root names the tracker’s key by REST, and from then on a release is one file', async () => {
  const directory = await temporaryDirectory();
  const { publicPath } = await openOnlineKey(join(directory, 'online.key'));
  const keys = join(directory, 'keys');
  const { rootPath } = await createKeys(keys, { now: new Date() });
  const root = await readFile(rootPath, 'utf8');
  const rootKeys = await loadKeyFiles([join(keys, 'root.key')]);
  const { tracker, token } = await runTracker({ directory, rootPath });
  const client = new TrackerClient({}, { url: tracker.url, token });

  const online = { keys: await loadPublicKeys([publicPath]), threshold: 1 };
  const change = { snapshot: online, timestamp: online };
  const next = signNextRoot({ root, change, keys: rootKeys, now: new Date() });
  const stranger = new TrackerClient({}, { url: tracker.url, token: 'guessed' });
  const push = { root: next.root };
  await expect(stranger.pushRoot(push)).rejects.toMatchObject({ code: 'TRACKER_REFUSED' });
  await expect(client.pushRoot({ root })).rejects.toMatchObject({ code: 'REPOSITORY_ROLLBACK' });
  await expect(client.pushRoot({ root: '' })).rejects.toMatchObject({
    code: 'REPOSITORY_MALFORMED',
  });
  expect(await client.pushRoot(push)).toEqual({ rootVersion: 2 });

  const targetsKeys = await loadKeyFiles([join(keys, 'targets.key')]);
  const { update } = signReleaseFile({
    root: next.root,
    keys: targetsKeys,
    now: new Date(),
    current: undefined,
    release,
  });
  const { targets = '' } = update;
  await expect(client.pushRelease({ targets, snapshot: targets })).rejects.toMatchObject({
    code: 'REPOSITORY_MALFORMED',
  });
  expect(await client.pushRelease({ targets })).toMatchObject({ timestampVersion: 1, releases: 1 });
  const served = await readPublishedSet(
    { fetchMetadata: (name, maxBytes) => client.metadata(name, maxBytes) },
    { root: next.root },
  );
  if (served === undefined) throw new Error('it is served');
  verifyUpdate({ root: next.root, current: undefined, next: served, now: new Date() });
  expect(String(await client.metadata('2.root.json', 1 << 20))).toBe(next.root);
  expect(String(await client.metadata('root.json', 1 << 20))).toBe(next.root);
});

test('a tracker whose key root does not name takes whole sets only', async () => {
  const publisher = await createPublisher();
  const directory = await temporaryDirectory();
  const { tracker, token } = await runTracker({ directory, rootPath: publisher.rootPath });
  const client = new TrackerClient({}, { url: tracker.url, token });
  const set = publisher.release('one');
  await expect(client.pushRelease({ targets: set.targets })).rejects.toMatchObject({
    code: 'REPOSITORY_SIGNATURE',
    message: expect.stringContaining('rotate online') as string,
  });
  expect(await client.pushRelease(set)).toMatchObject({ timestampVersion: 1 });
});
