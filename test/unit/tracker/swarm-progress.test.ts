import { expect, test } from 'vitest';
import { TrackerClient, type SwarmHost } from '../../../src/api/index.ts';
import { announceHost, infoHash, progressOf } from './announce-batch.ts';
import { announceUrl, escapeBytes } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';

async function runWatched() {
  let nowMs = 1_000_000;
  const { tracker, token } = await runNewTracker({}, { now: () => nowMs });
  const client = new TrackerClient({}, { url: tracker.url, token });
  return { tracker, client, pass: (ms: number) => (nowMs += ms) };
}

test('a swarm says in sum how far its hosts are, and where their bytes came from', async () => {
  const { tracker, client } = await runWatched();
  await announceHost(tracker, 1, { leftBytes: 0, progress: progressOf(10) });
  await announceHost(tracker, 2, { progress: progressOf(5) });
  await announceHost(tracker, 3, { progress: progressOf(0, { state: 'metadata', pieces: 0 }) });
  await announceHost(tracker, 4, { progress: undefined });
  const info_hash = escapeBytes(Buffer.from(infoHash, 'hex'));
  await fetch(tracker.url + announceUrl({ info_hash, port: '5' }));
  const { progress, downloaders } = await client.swarm(infoHash);
  expect(downloaders).toBe(4);
  expect(progress).toEqual({
    hosts: 4,
    states: { seeding: 1, fetching: 1, metadata: 1, unknown: 1 },
    verifiedShare: 1.5 / 4,
    // Not that of the host that is whole.
    receivedBytesPerSecond: 2_000,
    sources: { rack: 3, zone: 6, fleet: 9, origin: 12, reused: 15 },
  });
});

test('hosts that say what they like spoil no sum', async () => {
  const { tracker, client } = await runWatched();
  const most = Number.MAX_SAFE_INTEGER;
  const sources = { rack: most, zone: 0, fleet: 0, origin: 0, reused: 0 };
  const wild = { verifiedPieces: most, receivedBytesPerSecond: 1e308, sources };
  for (let number = 1; number <= 40; number++) {
    const state = number === 1 ? '__proto__' : `state ${number}`;
    await announceHost(tracker, number, { progress: progressOf(0, { ...wild, state }) });
  }
  const { progress } = await client.swarm(infoHash);
  expect(progress).toMatchObject({ hosts: 40, verifiedShare: 1, receivedBytesPerSecond: most });
  expect(progress.sources.rack).toBe(most);
  expect(Object.keys(progress.states).length).toBeLessThanOrEqual(17);
  expect(progress.states.other).toBe(24);
});

test('a host is described as it said, with its address and how long ago that was', async () => {
  const { tracker, client, pass } = await runWatched();
  await announceHost(tracker, 7, { progress: progressOf(3) });
  await announceHost(tracker, 8, { leftBytes: 0, progress: undefined }, { host: undefined });
  pass(1_500);
  const { hosts, next } = await client.swarmHosts(infoHash);
  expect(next).toBeUndefined();
  const told: SwarmHost[] = [
    {
      host: 'host-7',
      address: '127.0.0.1',
      port: 7,
      zone: 'north',
      rack: 'r1',
      role: 'downloader',
      lastSeenAgoMs: 1_500,
      ...progressOf(3),
    },
    {
      address: '127.0.0.1',
      port: 8,
      zone: 'north',
      rack: 'r0',
      role: 'seed',
      state: 'unknown',
      pieces: 0,
      verifiedPieces: 0,
      receivedBytesPerSecond: 0,
      sources: { rack: 0, zone: 0, fleet: 0, origin: 0, reused: 0 },
      lastSeenAgoMs: 1_500,
    },
  ];
  expect(hosts).toEqual(told);
});

test('pages hold each host that stays once, though others come and go between them', async () => {
  const { tracker, client } = await runWatched();
  for (let number = 1; number <= 7; number++) await announceHost(tracker, number);
  const page = async (after?: string) => {
    const { hosts, next } = await client.swarmHosts(infoHash, { limit: 3, after });
    return { ports: hosts.map(({ port }) => port), next };
  };
  const first = await page();
  expect(first.ports).toEqual([1, 2, 3]);
  // The one that the cursor stands at leaves, and one that was told of comes back.
  await announceHost(tracker, 3, { event: 'stopped' });
  await announceHost(tracker, 1, { progress: progressOf(9) });
  await announceHost(tracker, 8);
  const second = await page(first.next);
  expect(second.ports).toEqual([4, 5, 6]);
  expect(await page(second.next)).toEqual({ ports: [7, 8], next: undefined });
});

test('a page of nothing, and queries that can not be used, are refused', async () => {
  const { tracker, client } = await runWatched();
  await expect(client.swarmHosts(infoHash)).rejects.toMatchObject({ evidence: { status: 404 } });
  await expect(client.swarmHosts('xy')).rejects.toMatchObject({ evidence: { status: 400 } });
  await announceHost(tracker, 1);
  for (const page of [{ limit: 0 }, { limit: 1_001 }, { limit: 1.5 }, { after: '-1' }]) {
    const asked = client.swarmHosts(infoHash, page);
    await expect(asked).rejects.toMatchObject({ evidence: { status: 400 } });
  }
});
