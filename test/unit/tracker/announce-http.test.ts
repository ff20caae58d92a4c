import { connect } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBencode } from '../../../src/image/index.ts';
import type { BencodeDictionary } from '../../../src/image/index.ts';
import { announceUrl, escapeBytes } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';

async function ask(url: string): Promise<{ status: number; body: BencodeDictionary }> {
  const response = await fetch(url);
  const body = decodeBencode(await response.bytes()) as BencodeDictionary;
  return { status: response.status, body };
}

const bytesOf = (body: BencodeDictionary, key: string) => Buffer.from(body.get(key) as Uint8Array);

test('peers that announce the same bytes as info-hash find each other, whatever the bytes', async () => {
  const { tracker } = await runNewTracker();
  const hash = Buffer.from('00ff80e9253d262b2f20c3280a0d7f5cfe112233', 'hex');
  const info_hash = escapeBytes(hash);
  const first = announceUrl({ info_hash, peer_id: '1'.repeat(20), port: '1001', left: '0' });
  const second = announceUrl({ info_hash, peer_id: '2'.repeat(20), port: '1002' });
  await ask(tracker.url + first);
  const { status, body } = await ask(tracker.url + second);
  expect(status).toBe(200);
  expect(bytesOf(body, 'peers').toString('hex')).toBe('7f00000103e9');
  expect(body.get('complete')).toBe(1);
  expect(body.get('incomplete')).toBe(1);
  expect(body.get('interval')).toBe(30);
  expect(body.get('min interval')).toBe(5);
  expect(body.has('peers6')).toBe(false);

  const scrape = await ask(
    `${tracker.url}/scrape?info_hash=${info_hash}&info_hash=${'x'.repeat(20)}`,
  );
  const files = scrape.body.get('files') as Map<string, BencodeDictionary>;
  expect([...files.keys()]).toEqual([hash.toString('latin1')]);
  const counts = new Map([
    ['complete', 1],
    ['downloaded', 0],
    ['incomplete', 1],
  ]);
  expect(files.get(hash.toString('latin1'))).toEqual(counts);
});

test('who announces sealed=1 is told of sealed peers alone, and all others of plain ones', async () => {
  const { tracker } = await runNewTracker();
  const told = async (name: string, port: number, sealed?: string) => {
    const url = announceUrl({ peer_id: name.repeat(20), port: String(port), sealed });
    const { body } = await ask(tracker.url + url);
    expect(body.get('failure reason')).toBeUndefined();
    return bytesOf(body, 'peers').toString('hex');
  };
  expect(await told('1', 1, '1')).toBe('');
  expect(await told('2', 2)).toBe('');
  expect(await told('3', 3, '1')).toBe('7f0000010001');
  expect(await told('4', 4, '0')).toBe('7f0000010002');
});

test('a tracker at :: tells IPv4 and IPv6 peers of each other, each in its own list', async () => {
  const { tracker } = await runNewTracker({ host: '::' });
  expect(tracker.url).toBe(`http://[::1]:${tracker.port}`);
  const ipv4 = `http://127.0.0.1:${tracker.port}`;
  await ask(ipv4 + announceUrl({ peer_id: '4'.repeat(20), port: '4444' }));
  const sixth = await ask(tracker.url + announceUrl({ peer_id: '6'.repeat(20), port: '6666' }));
  expect(bytesOf(sixth.body, 'peers').toString('hex')).toBe('7f000001115c');
  const fourth = await ask(ipv4 + announceUrl({ peer_id: '4'.repeat(20), port: '4444' }));
  const packed = `${'00'.repeat(15)}011a0a`;
  expect(bytesOf(fourth.body, 'peers6').toString('hex')).toBe(packed);

  const list = await ask(ipv4 + announceUrl({ peer_id: '5'.repeat(20), port: '5', compact: '0' }));
  const peers = list.body.get('peers') as BencodeDictionary[];
  const ips = peers.map((peer) => bytesOf(peer, 'ip').toString()).sort();
  expect(ips).toEqual(['127.0.0.1', '::1']);
  expect(peers.every((peer) => bytesOf(peer, 'peer id').length === 20)).toBe(true);
});

test('a peer is told of with the address of its socket, not with the one it claims', async () => {
  const { tracker } = await runNewTracker();
  await ask(tracker.url + announceUrl({ peer_id: '1'.repeat(20), ip: '203.0.113.1' }));
  const { body } = await ask(tracker.url + announceUrl({ port: '2' }));
  expect(bytesOf(body, 'peers').subarray(0, 4).toString('hex')).toBe('7f000001');
});

test('a peer that stopped, or was silent for two intervals and a margin, is told of no more', async () => {
  let nowMs = Date.now();
  const { tracker } = await runNewTracker({}, { now: () => nowMs });
  const first = { peer_id: '1'.repeat(20), port: '1001' };
  const peersOf = async () =>
    bytesOf((await ask(tracker.url + announceUrl())).body, 'peers').length;
  await ask(tracker.url + announceUrl(first));
  expect(await peersOf()).toBe(6);
  await ask(tracker.url + announceUrl({ ...first, event: 'stopped' }));
  expect(await peersOf()).toBe(0);
  await ask(tracker.url + announceUrl(first));
  nowMs += 70_000;
  expect(await peersOf()).toBe(6);
  nowMs += 1;
  expect(await peersOf()).toBe(0);
});

test('garbage is refused with a failure reason that names the field', async () => {
  const { tracker } = await runNewTracker();
  const { status, body } = await ask(tracker.url + announceUrl({ port: 'http' }));
  expect(status).toBe(400);
  expect([...body.keys()]).toEqual(['failure reason']);
  expect(bytesOf(body, 'failure reason').toString()).toMatch(/^port must be/);
  const scrape = await ask(`${tracker.url}/scrape`);
  expect(scrape.status).toBe(400);
});

test('a tracker that is full says so and when to come back, and keeps those it has', async () => {
  const { tracker } = await runNewTracker({ maxPeers: 1 });
  const first = announceUrl({ peer_id: '1'.repeat(20), port: '1001' });
  await ask(tracker.url + first);
  const { status, body } = await ask(tracker.url + announceUrl());
  expect(status).toBe(503);
  expect(bytesOf(body, 'failure reason').toString()).toMatch(/no room/);
  expect(body.get('retry in')).toBe(1);
  expect((await ask(tracker.url + first)).status).toBe(200);
});

test('no query makes the tracker fail', async () => {
  const { tracker } = await runNewTracker();
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 100 }).map(escapeBytes),
    fc.string({ unit: 'binary', maxLength: 100 }).map(encodeURIComponentSafely),
  );
  const name = fc.constantFrom('info_hash', 'peer_id', 'port', 'left', 'event', 'numwant', 'x');
  const query = fc.array(fc.tuple(name, text).map(([field, value]) => `${field}=${value}`));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('announce', 'scrape'), query, async (route, fields) => {
      const response = await fetch(`${tracker.url}/${route}?${fields.join('&')}`);
      expect([200, 400]).toContain(response.status);
      await response.arrayBuffer();
    }),
    { numRuns: 300 },
  );
});

test('bytes that a client should have escaped do not make the tracker fail', async () => {
  const { tracker } = await runNewTracker();
  const path = announceUrl({ info_hash: '\xe9\xff'.repeat(10) });
  const socket = connect(tracker.port, '127.0.0.1');
  socket.end(`GET ${path} HTTP/1.1\r\nhost: tracker\r\nconnection: close\r\n\r\n`, 'latin1');
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (data) => (text += data.toString('latin1')));
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 (200|400) /);
});

test('HEAD, which would announce without saying so, is not allowed', async () => {
  const { tracker } = await runNewTracker();
  const response = await fetch(tracker.url + announceUrl(), { method: 'HEAD' });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET');
});

function encodeURIComponentSafely(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}
