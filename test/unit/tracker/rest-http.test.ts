import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { problemSchema } from '../../../src/api/index.ts';
import { announceUrl, escapeBytes } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const problem = problemSchema.parse(await response.json());
  expect(problem.status).toBe(response.status);
  return problem;
}

test('no route under /v1 answers without the token, and the refusal says what to send', async () => {
  const { tracker, token } = await runNewTracker();
  const routes = [
    ['GET', '/v1/releases'],
    ['PUT', '/v1/releases'],
    ['GET', '/v1/swarms'],
    ['GET', `/v1/swarms/${'0'.repeat(40)}`],
  ] as const;
  for (const [method, path] of routes) {
    for (const headers of [{}, bearer(`${token}x`), { authorization: token }]) {
      const response = await fetch(tracker.url + path, { method, headers });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect((await problemOf(response)).code).toBe('UNAUTHORIZED');
    }
  }
});

test('swarms are listed, and one swarm with its peers by full or short info-hash', async () => {
  let nowMs = 1_000_000;
  const { tracker, token } = await runNewTracker({}, { now: () => nowMs });
  const headers = bearer(token);
  const infoHash = 'e9'.repeat(20);
  const info_hash = escapeBytes(Buffer.from(infoHash, 'hex'));
  await fetch(tracker.url + announceUrl({ info_hash, left: '0', peer_id: 'seed'.repeat(5) }));
  nowMs += 2_000;
  await fetch(tracker.url + announceUrl({ info_hash, port: '7', sealed: '1' }));
  const summary = { infoHash, seeds: 1, downloaders: 1, completed: 0 };

  const all = await fetch(`${tracker.url}/v1/swarms`, { headers });
  expect(await all.json()).toEqual({ total: 1, swarms: [summary] });

  for (const name of [infoHash, 'E9'.repeat(20), infoHash + '0'.repeat(24)]) {
    const one = await fetch(`${tracker.url}/v1/swarms/${name}`, { headers });
    const place = { address: '127.0.0.1' };
    const seed = {
      peerId: '73656564'.repeat(5),
      port: 6_881,
      role: 'seed',
      transport: 'plain',
      leftBytes: 0,
    };
    const other = {
      peerId: '70'.repeat(20),
      port: 7,
      role: 'downloader',
      transport: 'sealed',
      leftBytes: 5,
    };
    const peers = [
      { ...place, ...seed, lastSeenAgoMs: 2_000 },
      { ...place, ...other, lastSeenAgoMs: 0 },
    ];
    expect(await one.json()).toMatchObject({ ...summary, total: 2, peers });
  }
  const unknown = await fetch(`${tracker.url}/v1/swarms/${'0'.repeat(40)}`, { headers });
  expect((await problemOf(unknown)).status).toBe(404);
  const wrong = await fetch(`${tracker.url}/v1/swarms/${'g'.repeat(40)}`, { headers });
  expect((await problemOf(wrong)).status).toBe(400);
});

test('the tracker lives, is ready and counts what it does', async () => {
  const { tracker } = await runNewTracker();
  expect(await (await fetch(`${tracker.url}/healthz`)).json()).toEqual({ status: 'ok' });
  expect(await (await fetch(`${tracker.url}/readyz`)).json()).toEqual({ status: 'ready' });
  await fetch(tracker.url + announceUrl({ event: 'started' }));
  await fetch(tracker.url + announceUrl({ left: 'x' }));
  const response = await fetch(`${tracker.url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await response.text()).split('\n');
  const prefix = 'starling_tracker_';
  expect(lines).toContain(`${prefix}announces_total{event="started",outcome="done"} 1`);
  expect(lines).toContain(`${prefix}announces_total{event="unknown",outcome="refused"} 1`);
  expect(lines).toContain(`${prefix}announce_duration_seconds_count 2`);
  expect(lines).toContain(`${prefix}swarms 1`);
  expect(lines).toContain(`${prefix}peers{role="downloader"} 1`);
  const requests = `${prefix}http_requests_total{method="GET",route="/announce",status="400"} 1`;
  expect(lines).toContain(requests);
  expect(lines.some((line) => line.startsWith(`${prefix}process_cpu_user_seconds_total`))).toBe(
    true,
  );
  expect(lines.some((line) => line.startsWith(`${prefix}releases_expire_timestamp`))).toBe(false);
  for (const line of lines)
    expect(line === '' || /^(# (HELP|TYPE) )?starling_tracker_/.test(line)).toBe(true);
});

test('what does not exist is 404, and a method that a route lacks is 405', async () => {
  const { tracker, token } = await runNewTracker();
  for (const path of ['/', '/v1', '/v1/nothing', '/tracker', '/%ff']) {
    const response = await fetch(tracker.url + path, { headers: bearer(token) });
    expect([400, 404]).toContain((await problemOf(response)).status);
  }
  const deleted = await fetch(`${tracker.url}/v1/releases`, { method: 'DELETE' });
  expect((await problemOf(deleted)).status).toBe(405);
  expect(deleted.headers.get('allow')).toBe('GET, HEAD, PUT');
  const posted = await fetch(`${tracker.url}/tuf/timestamp.json`, { method: 'POST', body: '{}' });
  expect((await problemOf(posted)).status).toBe(405);
});

test('a body that is no JSON, of another type or too large is refused as such', async () => {
  const { tracker, token } = await runNewTracker();
  const put = (body: string, type: string) =>
    fetch(`${tracker.url}/v1/releases`, {
      method: 'PUT',
      headers: { ...bearer(token), 'content-type': type },
      body,
    });
  expect((await problemOf(await put('{', 'application/json'))).status).toBe(400);
  expect((await problemOf(await put('', 'application/json'))).status).toBe(400);
  expect((await problemOf(await put('{"__proto__":1}', 'application/json'))).status).toBe(400);
  expect((await problemOf(await put('{}', 'text/plain'))).status).toBe(415);
  for (const body of [
    '{}',
    '[]',
    'null',
    '{"targets":1}',
    '{"targets":"a","snapshot":"b","timestamp":"c","more":1}',
  ]) {
    const problem = await problemOf(await put(body, 'application/json'));
    expect(problem).toMatchObject({ status: 400, code: 'REPOSITORY_MALFORMED' });
  }
});

test('a body that says it is too large is refused before it is sent', async () => {
  const { tracker, token } = await runNewTracker();
  const socket = connect(tracker.port, '127.0.0.1');
  const head = [
    'PUT /v1/releases HTTP/1.1',
    'host: tracker',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
    `content-length: ${40 * 1024 * 1024}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  const answer = await new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(data.toString()));
  });
  socket.destroy();
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('REQUEST_TOO_LARGE');
});

test('what is not HTTP is answered and cut off', async () => {
  const { tracker } = await runNewTracker();
  const socket = connect(tracker.port, '127.0.0.1');
  socket.write('\x13BitTorrent protocol\r\n\r\n');
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (data) => (text += data.toString()));
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
});
