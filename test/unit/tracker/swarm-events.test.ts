import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { TrackerClient, type SwarmEvent } from '../../../src/api/index.ts';
import type { TrackerConfig } from '../../../tracker/index.ts';
import { announceHost, infoHash, progressOf } from './announce-batch.ts';
import { runNewTracker } from './running-tracker.ts';

async function runQuick(init: Partial<TrackerConfig> = {}) {
  const running = await runNewTracker({ watchIntervalMs: 10, ...init });
  const { tracker, token } = running;
  return { ...running, client: new TrackerClient({}, { url: tracker.url, token }) };
}

/** Events until one is what is waited for; that one comes last. */
async function until(
  events: AsyncGenerator<SwarmEvent>,
  isLast: (event: SwarmEvent) => boolean,
): Promise<SwarmEvent[]> {
  const seen: SwarmEvent[] = [];
  for (;;) {
    const next = await events.next();
    if (next.done === true) throw new Error(`the stream ended after ${JSON.stringify(seen)}`);
    seen.push(next.value);
    if (isLast(next.value)) return seen;
  }
}

const isHost =
  (number: number, verifiedPieces: number) =>
  ({ event, data }: SwarmEvent): boolean =>
    event === 'host' && data.port === number && data.verifiedPieces === verifiedPieces;

function openSocket(port: number, token: string): Socket {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  onTestFinished(() => void socket.destroy());
  const path = `/v1/swarms/${infoHash}/events`;
  socket.write(`GET ${path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer ${token}\r\n\r\n`);
  return socket;
}

test('watchers see a swarm from the first piece to the last host that leaves', async () => {
  const { tracker, client } = await runQuick();
  await announceHost(tracker, 1);
  const watchers = [client.watchSwarm(infoHash), client.watchSwarm(infoHash)];
  for (const events of watchers) {
    const [first] = await until(events, () => true);
    const progress = { hosts: 1, states: { fetching: 1 }, verifiedShare: 0 };
    expect(first).toMatchObject({ event: 'summary', data: { infoHash, seeds: 0, progress } });
  }
  await announceHost(tracker, 1, { progress: progressOf(4) });
  for (const events of watchers) {
    const seen = await until(events, isHost(1, 4));
    expect(seen.at(-1)?.data).toMatchObject({ host: 'host-1', state: 'fetching', rack: 'r1' });
    const isTold = (event: SwarmEvent) =>
      event.event === 'summary' && event.data.progress.verifiedShare === 0.4;
    expect(seen.some(isTold)).toBe(true);
  }
  await announceHost(tracker, 2, { leftBytes: 0, progress: progressOf(10) });
  await announceHost(tracker, 1, { event: 'stopped' });
  for (const events of watchers) {
    const seen = await until(events, ({ event }) => event === 'gone');
    expect(seen.at(-1)?.data).toEqual({ address: '127.0.0.1', port: 1 });
  }
  await announceHost(tracker, 2, { event: 'stopped' });
  for (const events of watchers) {
    const seen = await until(events, ({ event }) => event === 'end');
    expect(seen.at(-1)?.data).toEqual({ infoHash });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  }
});

test('a host that is silent for too long is gone, and nobody in the swarm', async () => {
  let nowMs = 1_000_000;
  const { tracker, token } = await runNewTracker({ watchIntervalMs: 10 }, { now: () => nowMs });
  const client = new TrackerClient({}, { url: tracker.url, token });
  await announceHost(tracker, 1);
  const events = client.watchSwarm(infoHash);
  await until(events, () => true);
  nowMs += 60_000;
  const seen = await until(events, ({ event }) => event === 'end');
  expect(seen.map(({ event }) => event)).toEqual(['gone', 'end']);
});

test('an announce that moves nothing is news of the sum alone, or of nothing', async () => {
  const { tracker, client } = await runQuick();
  await announceHost(tracker, 1);
  const events = client.watchSwarm(infoHash);
  const first = await until(events, () => true);
  await announceHost(tracker, 1);
  const faster = progressOf(0, { receivedBytesPerSecond: 2_000 });
  await announceHost(tracker, 1, { progress: faster });
  await announceHost(tracker, 2, { progress: progressOf(1) });
  const seen = await until(events, isHost(2, 1));
  expect(seen.filter(({ event }) => event === 'host')).toHaveLength(1);
  const sums = [...first, ...seen].filter(({ event }) => event === 'summary');
  expect(new Set(sums.map(({ data }) => JSON.stringify(data))).size).toBe(sums.length);
});

test('more hosts than one telling has room for are all told, each as it is then', async () => {
  const { tracker, client } = await runQuick();
  await announceHost(tracker, 1);
  const events = client.watchSwarm(infoHash);
  await until(events, () => true);
  const numbers = Array.from({ length: 600 }, (_, index) => index + 2);
  for (let at = 0; at < numbers.length; at += 100) {
    await Promise.all(numbers.slice(at, at + 100).map((number) => announceHost(tracker, number)));
  }
  const missing = new Set(numbers);
  await until(events, ({ event, data }) => {
    if (event === 'host') missing.delete(data.port);
    return missing.size === 0;
  });
});

test('the stream says when to come back, and gives signs of life while there is no news', async () => {
  const { tracker, token } = await runQuick({ watchHeartbeatMs: 20 });
  await announceHost(tracker, 1);
  const socket = openSocket(tracker.port, token);
  let text = '';
  for await (const data of socket) {
    text += data as string;
    if ((text.match(/\n:\n\n/g)?.length ?? 0) >= 2) break;
  }
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*content-type: text\/event-stream\r\n/i);
  expect(text).toMatch(/\r\n\r\n[^]*retry: \d+\n\n[^]*event: summary\ndata: \{"infoHash":"e9/);
});

test('events need the token, a swarm, and GET', async () => {
  const { tracker, token } = await runQuick();
  const url = `${tracker.url}/v1/swarms/${infoHash}/events`;
  const headers = { authorization: `Bearer ${token}` };
  expect((await fetch(url)).status).toBe(401);
  expect((await fetch(url, { headers })).status).toBe(404);
  await announceHost(tracker, 1);
  expect((await fetch(url, { headers, method: 'HEAD' })).status).toBe(405);
});

test('streams end with the tracker, also those that nobody reads', async () => {
  const { tracker, client, token } = await runQuick({ closeGraceMs: 60_000 });
  await announceHost(tracker, 1);
  const events = client.watchSwarm(infoHash);
  await until(events, () => true);
  const deaf = openSocket(tracker.port, token);
  await once(deaf, 'readable');
  await tracker[Symbol.asyncDispose]();
  const rest: SwarmEvent[] = [];
  for await (const event of events) rest.push(event);
  expect(rest).toEqual([]);
});

test('a watcher that leaves ends its watch, and the next one begins anew', async () => {
  const { tracker, client } = await runQuick();
  await announceHost(tracker, 1);
  const reason = new Error('enough');
  const controller = new AbortController();
  const events = client.watchSwarm(infoHash, { signal: controller.signal });
  await until(events, () => true);
  controller.abort(reason);
  await expect(events.next()).rejects.toBe(reason);
  await announceHost(tracker, 1, { progress: progressOf(2) });
  const again = client.watchSwarm(infoHash);
  const [first] = await until(again, () => true);
  expect(first).toMatchObject({ event: 'summary', data: { progress: { verifiedShare: 0.2 } } });
  await announceHost(tracker, 1, { progress: progressOf(3) });
  await until(again, isHost(1, 3));
  await again.return(undefined);
});
