import { join } from 'node:path';
import { fastify } from 'fastify';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Watches } from '../../../../tracker/fleet/watches.ts';
import { addHealthRoutes } from '../../../../tracker/health-routes.ts';
import { createHttpServer } from '../../../../tracker/http-server.ts';
import { TrackerMetrics } from '../../../../tracker/metrics.ts';
import { SqliteStore } from '../../../../tracker/store/sqlite-store.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { breakableStore } from './breakable-store.ts';

const log = fastify({ logger: false }).log;

async function openWatches() {
  const store = await SqliteStore.open({ path: join(await temporaryDirectory(), 'store.db') });
  onTestFinished(() => store[Symbol.asyncDispose]());
  const breakable = breakableStore(store);
  const watches = new Watches({ store: breakable.store, log }, { againMs: 5 });
  onTestFinished(() => watches[Symbol.asyncDispose]());
  return { breakable, store, watches };
}

test('an entry that can not be read is passed over, with its fellows told', async () => {
  const { store, watches } = await openWatches();
  await store.commit({
    put: ['a/1', 'a/2', 'a/3'].map((key) => ({ key, value: key === 'a/2' ? 'no JSON' : '1' })),
  });
  const told: string[] = [];
  await watches.follow('a/', {
    onChange: ({ key, value = '' }) => {
      JSON.parse(value);
      told.push(key);
    },
  });
  expect(told).toEqual(['a/1', 'a/3']);
  await store.commit({ put: [{ key: 'a/2', value: '2' }] });
  await vi.waitFor(() => {
    expect(told).toEqual(['a/1', 'a/3', 'a/2']);
  });
  expect(watches.blind).toEqual([]);
});

test('a watch that fails is begun anew, tells what was missed, and until then it is not ready', async () => {
  const { breakable, store, watches } = await openWatches();
  const http = createHttpServer({ log, metrics: noMetrics() }, { maxConnections: 1 });
  onTestFinished(() => http.close());
  const releases = { checkWritable: () => Promise.resolve() };
  addHealthRoutes(http, { releases, metrics: noMetrics(), blind: () => watches.blind });
  const ready = () => http.inject({ url: '/readyz' });
  const known = new Map<string, string | undefined>();
  await watches.follow('a/', {
    onWhole: () => {
      known.clear();
    },
    onChange: ({ key, value }) => known.set(key, value),
  });
  expect((await ready()).statusCode).toBe(200);
  breakable.break('a/');
  await vi.waitFor(() => {
    expect(watches.blind).toEqual(['a/']);
  });
  expect(() => {
    watches.check();
  }).toThrow(/a\/ in the store are not heard/);
  const refused = await ready();
  expect(refused.statusCode).toBe(503);
  expect(refused.json()).toMatchObject({ code: 'STORE_FAILED' });
  await store.commit({ put: [{ key: 'a/1', value: '1' }] });
  breakable.mend();
  await vi.waitFor(() => {
    expect([...known]).toEqual([['a/1', '1']]);
  });
  expect((await ready()).statusCode).toBe(200);
});

test('a store that can not be watched at all is told to who wants to follow it', async () => {
  const { breakable, watches } = await openWatches();
  breakable.break('a/');
  await expect(watches.follow('a/', { onChange: () => undefined })).rejects.toThrow(/fails/);
  expect(watches.blind).toEqual([]);
});

const noMetrics = (): TrackerMetrics =>
  new TrackerMetrics({
    swarms: () => ({ swarms: 0, seeds: 0, downloaders: 0 }),
    load: () => ({ announcesPerSecond: 0, intervalMs: 0 }),
    origins: () => ({ askers: 0, grantedBytes: 0 }),
    releasesExpireMs: () => undefined,
  });
