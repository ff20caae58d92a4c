import { join } from 'node:path';
import { fastify } from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { TrackerClient } from '../../../../src/api/index.ts';
import { Identity } from '../../../../src/trust/sealed.ts';
import { parseEntry } from '../../../../tracker/audit/audit-entry.ts';
import { AuditLog } from '../../../../tracker/audit/index.ts';
import { SharedReleases } from '../../../../tracker/fleet/shared-releases.ts';
import { openStoreForReading, storeUrlIn } from '../../../../tracker/store/index.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { createOnlineWorld } from '../online-world.ts';
import { createPublisher, runTracker, temporaryDirectory } from '../running-tracker.ts';

async function runFleetTracker() {
  const directory = await temporaryDirectory();
  await Identity.open(join(directory, 'fleet.key'));
  const control = { host: '127.0.0.1', port: 0, credentialMs: 60_000 };
  const publisher = await createPublisher();
  const { rootPath } = publisher;
  const { tracker, token } = await runTracker({ directory, rootPath, control, udp: false });
  const client = new TrackerClient({}, { url: tracker.url, token });
  const audited = async (...actions: string[]) => {
    await using store = await openStoreForReading(storeUrlIn(directory));
    const { entries } = await store.list('audit/');
    const all = entries.map(({ value }) => parseEntry(value));
    return all.filter((entry) => entry !== undefined && actions.includes(entry.action));
  };
  return { publisher, tracker, client, audited, directory };
}

test('the audit log says what a push has published, and of a refused one that alone', async () => {
  const { publisher, client, audited } = await runFleetTracker();
  const first = publisher.release('one');
  await client.pushRelease(first);
  await expect(client.pushRelease(first)).rejects.toMatchObject({ code: 'REPOSITORY_ROLLBACK' });
  const second = publisher.release('two', first, new Date(), 'other');
  await client.pushRelease(second);
  const [one, two] = (await client.releases()).releases;
  expect(await audited('release.push', 'pushRelease')).toMatchObject([
    {
      ...{ actor: 'admin', action: 'release.push', subject: 'app/stable', outcome: 'done' },
      detail: { root: 1, targets: 1, releases: [`app/stable 1 ${one?.imageId ?? ''}`] },
    },
    { action: 'pushRelease', outcome: 'refused', detail: { code: 'REPOSITORY_ROLLBACK' } },
    {
      ...{ action: 'release.push', subject: 'other/stable', outcome: 'done' },
      detail: { releases: [`other/stable 1 ${two?.imageId ?? ''}`] },
    },
  ]);
});

test('releases that do not fit into one value of the store are refused with the limit, and nothing is taken', async () => {
  const path = join(await temporaryDirectory(), 'store.db');
  const store = await SqliteStore.open({ path });
  onTestFinished(() => store[Symbol.asyncDispose]());
  const audit = new AuditLog({ store, now: Date.now });
  onTestFinished(() => audit[Symbol.asyncDispose]());
  const { store: releases } = await createOnlineWorld({ now: Date.now });
  const { log } = fastify({ logger: false });
  const shared = new SharedReleases({ store, audit, releases, log });
  const who = { actor: 'admin', action: 'release.push' } as const;
  const publication = { ...who, summary: {}, changed: [], removed: [] };
  const large = shared.commit({ roots: ['r'.repeat(600_000)] }, publication);
  await expect(large).rejects.toMatchObject({ code: 'STORE_TOO_LARGE' });
  await expect(large).rejects.toThrow(/may have 524288 bytes; these have 600\d{3}\./);
  expect((await store.list('')).entries).toEqual([]);
  await shared.commit({ roots: ['r'.repeat(500_000)] }, publication);
  expect((await store.list('audit/')).entries).toHaveLength(1);
});
