import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { encodeBencode, type StoredImage } from '../../../src/image/index.ts';
import { OriginPermit, type OriginPermitInit } from '../../../src/swarm/origin-permit.ts';
import type { ExchangeInit } from '../../../src/swarm/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { WebServer } from '../../tools/web-server.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { announceUrl, escapeBytes } from '../tracker/announce-url.ts';
import { runNewTracker } from '../tracker/running-tracker.ts';

async function openOrigin() {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, { large: seededBytes(1, 4_000_000), small: 'x' });
  return { image, server: await WebServer.open(join(directory, 'store')) };
}

async function openFetcher(image: StoredImage, init: Partial<ExchangeInit>) {
  const host = await openExchange(await temporaryDirectory(), init);
  return { ...host, swarm: host.exchange.fetch(image.imageId) };
}

/** A tracker that is not ours: it knows no origins. */
async function openForeignTracker(): Promise<string> {
  const server = createServer((_, response) => {
    response.end(encodeBencode({ interval: 60, peers: Buffer.alloc(0) }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/announce`;
}

test('at a foreign tracker a host goes by its own budget, which is nothing unless it is said', async () => {
  const { image, server } = await openOrigin();
  const trackers = [await openForeignTracker()];
  const without = await openFetcher(image, { webSeeds: [server.template], trackers });
  const own = { webSeeds: [server.template], trackers, originBudget: { copies: 1 } };
  const allowed = await openFetcher(image, own);
  await allowed.swarm.completed;
  expect(without.swarm.status()).toMatchObject({ state: 'metadata', receivedBytes: 0 });
});

test('a host goes no further than its own budget', async () => {
  const { image, server } = await openOrigin();
  const originBudget = { bytes: 1_000_000 };
  const host = await openFetcher(image, { webSeeds: [server.template], originBudget });
  await host.until(({ verifiedPieces }) => verifiedPieces >= 3);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expect(host.swarm.status().receivedBytes).toBeGreaterThan(700_000);
  expect(host.swarm.status().receivedBytes).toBeLessThanOrEqual(1_000_000);
});

test('the part of an asker that died is taken over when its lease is over', async () => {
  const { image, server } = await openOrigin();
  const { tracker } = await runNewTracker({ originLeaseMs: 6_000, originAskers: 2 });
  const info_hash = escapeBytes(image.metainfo.info.infoHash.subarray(0, 20));
  const size = String(image.metainfo.info.sizeBytes);
  const dead = announceUrl({ info_hash, port: '9', origin: '1', size, origin_taken: '0' });
  await fetch(tracker.url + dead);
  const host = await openFetcher(image, {
    webSeeds: [server.template],
    trackers: [tracker.url],
  });
  const { verifiedPieces, pieces } = await host.until((status) => status.verifiedPieces > 2);
  expect(verifiedPieces).toBeLessThan(pieces ?? 0);
  await host.swarm.completed;
  // Nothing was asked twice.
  expect(host.swarm.status().receivedBytes).toBe(image.metainfo.info.sizeBytes);
});

const lease = { slot: 1, slots: [0, 1], bytes: 1_000, expiresInMs: 15_000 };
const answer = (origin?: typeof lease | { waitMs: number }) => ({
  intervalMs: 30_000,
  endpoints: [],
  origin,
});

function openPermit(init: Partial<OriginPermitInit> = {}) {
  const state = { nowMs: 0, taken: 0, hurries: 0 };
  const permit = new OriginPermit(
    { now: () => state.nowMs },
    {
      hasTracker: true,
      budget: undefined,
      takenBytes: () => state.taken,
      onHurry: () => (state.hurries += 1),
      ...init,
    },
  );
  permit.wanted = true;
  permit.sizeBytes = 10_000;
  return { state, permit };
}

test('a lease runs from when it was asked for, and on without the tracker until it is over', () => {
  const { state, permit } = openPermit();
  expect(permit.pass).toBeUndefined();
  permit.claim();
  state.nowMs = 4_000;
  permit.onAnswer(answer(lease), 0);
  expect(permit.pass).toMatchObject({ slot: 1, limitBytes: 1_000 });
  state.nowMs = 14_999;
  expect(permit.pass).toBeDefined();
  state.nowMs = 15_000;
  expect(permit.pass).toBeUndefined();
});

test('who says that it does not use the origin has no lease any more', () => {
  const { permit } = openPermit();
  permit.claim();
  permit.onAnswer(answer(lease), 0);
  permit.wanted = false;
  expect(permit.claim()).toEqual({ wanted: false, sizeBytes: 10_000, takenBytes: 0 });
  permit.wanted = true;
  expect(permit.pass).toBeUndefined();
});

test('a tracker that is silent is hurried less and less, one that said when not before', () => {
  const { state, permit } = openPermit();
  for (; state.nowMs < 60_000; state.nowMs += 100) permit.tick();
  expect(state.hurries).toBeLessThan(12);
  permit.claim();
  permit.onAnswer(answer({ waitMs: 15_000 }), state.nowMs);
  const before = state.hurries;
  permit.tick();
  expect(state.hurries).toBe(before);
  expect(permit.nextMs()).toBe(15_000);
});

test('a lease is asked for anew when half of what it brought is used', () => {
  const { state, permit } = openPermit();
  permit.claim();
  permit.onAnswer(answer(lease), 0);
  state.taken = 499;
  permit.tick();
  expect(state.hurries).toBe(0);
  state.taken = 500;
  permit.tick();
  expect(state.hurries).toBe(1);
});

test('a foreign tracker is one that answers without a word of the origin', () => {
  const { permit } = openPermit({ budget: { bytes: 77 } });
  permit.onAnswer(answer(), 0);
  expect(permit.pass).toBeUndefined();
  permit.claim();
  permit.onAnswer(answer(), 0);
  expect(permit.pass?.limitBytes).toBe(77);
});
