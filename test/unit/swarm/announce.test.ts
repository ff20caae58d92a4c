import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { encodeBencode, type BencodeInput } from '../../../src/image/index.ts';
import { announce } from '../../../src/swarm/announce.ts';

const request = {
  infoHash: Buffer.from(Array.from({ length: 32 }, (_, index) => index * 8)),
  peerId: Buffer.from('-SG0100-abcdefghijkl'),
  port: 6_881,
  sealed: false,
  uploadedBytes: 1,
  downloadedBytes: 2,
  leftBytes: 3,
  event: 'started' as const,
  wanted: 50,
};

/** A tracker that gives one answer, and what it was asked. */
async function openTracker(answer: BencodeInput | Buffer) {
  const asked: string[] = [];
  const server = createServer((incoming, response) => {
    asked.push(incoming.url ?? '');
    response.end(Buffer.isBuffer(answer) ? answer : encodeBencode(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

test('an announce says who, what and how much, and the answer names peers', async () => {
  const peers = Buffer.from([192, 0, 2, 1, 0x1a, 0xe1, 192, 0, 2, 2, 0, 80]);
  const peers6 = Buffer.concat([Buffer.alloc(15), Buffer.from([1, 0, 81])]);
  const { url, asked } = await openTracker({ interval: 30, peers, peers6 });
  expect(await announce(url, request)).toEqual({
    intervalMs: 30_000,
    endpoints: [
      { host: '192.0.2.1', port: 6_881 },
      { host: '192.0.2.2', port: 80 },
      { host: '0:0:0:0:0:0:0:1', port: 81 },
    ],
  });
  expect(asked[0]).toMatch(/^\/announce\?info_hash=%00%08%10.*%98&peer_id=%2d%53/);
  expect(asked[0]).toContain('&left=3&compact=1&numwant=50&event=started');
});

test('an interval that no timer holds is cut, and one that is none is a minute', async () => {
  const interval = async (value: BencodeInput) =>
    (await announce((await openTracker({ interval: value })).url, request)).intervalMs;
  expect(await interval(Number.MAX_SAFE_INTEGER)).toBe(86_400_000);
  for (const none of [0, -5, 'soon']) expect(await interval(none)).toBe(60_000);
});

test('a refusal is told in the words of the tracker', async () => {
  const { url } = await openTracker({ 'failure reason': 'not here' });
  await expect(announce(url, request)).rejects.toMatchObject({
    code: 'TRACKER_REFUSED',
    message: expect.stringContaining('not here') as string,
  });
});

test.each([
  ['no bencoding', Buffer.from('<html>')],
  ['a list', Buffer.from('le')],
  ['nothing', Buffer.alloc(0)],
])('a tracker that answers %s has failed', async (_, answer) => {
  const { url } = await openTracker(answer);
  await expect(announce(url, request)).rejects.toMatchObject({ code: 'TRACKER_FAILED' });
});

test('an answer without end is not read to its end', async () => {
  const { url } = await openTracker(Buffer.alloc(3 << 20));
  await expect(announce(url, request)).rejects.toMatchObject({ code: 'TRACKER_UNREACHABLE' });
});

test('a tracker that is not there is unreachable, and an abort is an abort', async () => {
  await expect(announce('http://127.0.0.1:1', request)).rejects.toMatchObject({
    code: 'TRACKER_UNREACHABLE',
  });
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await expect(announce('http://127.0.0.1:1', request, { signal })).rejects.toBe(reason);
});
