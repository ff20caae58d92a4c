import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { AnnounceFront } from '../../../tracker/announce-front.ts';
import type { FrontLimits } from '../../../tracker/front-connection.ts';
import { readPlainGet } from '../../../tracker/plain-get.ts';
import { announceUrl } from './announce-url.ts';
import { runNewTracker } from './running-tracker.ts';

const get = (path: string, ...headers: readonly string[]) =>
  `${[`GET ${path} HTTP/1.1`, 'host: tracker', ...headers].join('\r\n')}\r\n\r\n`;

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Reads until `count` answers have come, or the connection has ended. */
async function answers(socket: Socket, count = Infinity): Promise<string[]> {
  let text = '';
  let found: string[] = [];
  socket.on('data', (data: string) => {
    text += data;
    found = text.split(/(?=HTTP\/1\.1 )/).filter((part) => /\r\n\r\n./s.test(part));
    if (found.length >= count) socket.emit('enough');
  });
  await Promise.race([once(socket, 'enough'), once(socket, 'close')]);
  return found;
}

test('announces follow each other on a connection, and then anything else that HTTP has', async () => {
  const { tracker } = await runNewTracker();
  const socket = open(tracker.port);
  const ask = async (request: string) => {
    socket.write(request, 'latin1');
    return (await answers(socket, 1))[0] ?? '';
  };
  expect(await ask(get(announceUrl()))).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*d8:completei0e/);
  expect(await ask(get(announceUrl({ port: '0' })))).toMatch(/^HTTP\/1\.1 400 [^]*failure reason/);
  expect(await ask(get('/healthz'))).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\{"status":"ok"\}/);
  expect(await ask(get(announceUrl()))).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*d8:completei0e/);
});

test('requests that come in pieces, or several at once, are answered in their order', async () => {
  const { tracker } = await runNewTracker();
  const socket = open(tracker.port);
  const whole = get(announceUrl());
  socket.write(whole.slice(0, 30));
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(whole.slice(30) + get('/healthz') + get('/scrape', 'connection: close'));
  const found = await answers(socket);
  expect(found.map((answer) => answer.split(' ', 2)[1])).toEqual(['200', '200', '400']);
  const both = open(tracker.port);
  both.write(get('/scrape?info_hash=') + get(announceUrl(), 'connection: close'));
  const inOrder = await answers(both);
  expect(inOrder.map((answer) => answer.split(' ', 2)[1])).toEqual(['400', '200']);
});

test('a connection is closed after the answer where that is asked for', async () => {
  const { tracker } = await runNewTracker();
  const socket = open(tracker.port);
  socket.write(get(announceUrl(), 'Connection: Close'));
  const [answer] = await answers(socket);
  expect(answer).toContain('\r\nconnection: close\r\n');
  expect(socket.readableEnded).toBe(true);
});

test('headers that are too long are refused, as on any other route', async () => {
  const { tracker } = await runNewTracker();
  const socket = open(tracker.port);
  socket.write(get(announceUrl(), `x: ${'y'.repeat(17_000)}`));
  expect((await answers(socket))[0]).toMatch(/^HTTP\/1\.1 431 /);
});

test('requests are counted, whoever answered them', async () => {
  const { tracker } = await runNewTracker();
  await (await fetch(tracker.url + announceUrl())).arrayBuffer();
  const socket = open(tracker.port);
  socket.write(get(announceUrl(), 'content-length: 0', 'connection: close'));
  expect(await answers(socket)).toHaveLength(1);
  const metrics = await (await fetch(`${tracker.url}/metrics`)).text();
  expect(metrics).toContain(
    'starling_tracker_http_requests_total{method="GET",route="/announce",status="200"} 2',
  );
});

/** A front of an HTTP server that answers "http" to everything. */
async function runFront(init: Partial<FrontLimits>) {
  const server = createServer((_request, response) => response.end('http'));
  const announces = { announce: () => ({ status: 200, body: 'front' }) };
  const components = { server, announces, metrics: { countRequest: () => undefined } };
  const limits = { firstRequestTimeoutMs: 10_000, keepAliveTimeoutMs: 10_000, maxHeaderBytes: 999 };
  const front = new AnnounceFront(components as never, { ...limits, ...init });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, front, announces, port: (server.address() as AddressInfo).port };
}

test('who says nothing is cut off, before the first request and after an answer', async () => {
  const { port } = await runFront({ firstRequestTimeoutMs: 20 });
  expect(await answers(open(port))).toEqual([]);
  const kept = await runFront({ keepAliveTimeoutMs: 20 });
  const socket = open(kept.port);
  socket.write(get(announceUrl()));
  expect(await answers(socket)).toHaveLength(1);
});

test('what is longer than a head may be is handed on', async () => {
  const { port } = await runFront({ maxHeaderBytes: 150 });
  const socket = open(port);
  socket.write(get(announceUrl(), `x: ${'y'.repeat(150)}`, 'connection: close'));
  expect((await answers(socket))[0]).toMatch(/http$/);
});

test('a server that closes waits for no connection that only announced', async () => {
  const { port, server, front } = await runFront({});
  const socket = open(port);
  socket.write(get(announceUrl()));
  await answers(socket, 1);
  const closed = once(server, 'close');
  server.close();
  front.close();
  await closed;
});

test('a client that reads no answers gets no more of them, and does not hold up the end', async () => {
  const { port, server, front, announces } = await runFront({});
  let asked = 0;
  announces.announce = () => ({ status: 200, body: (asked++, 'x'.repeat(20_000_000)) });
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.pause();
  const [, taken] = await Promise.all([
    new Promise((resolve) => socket.write(get(announceUrl()), resolve)),
    once(server, 'connection') as Promise<[Socket]>,
  ]);
  await once(taken[0], 'pause');
  await new Promise((resolve) => socket.write(get(announceUrl()), resolve));
  const closed = once(server, 'close');
  server.close();
  front.close();
  await closed;
  expect(asked).toBe(1);
});

test('only a whole request, with nothing in it that matters, is plain', () => {
  const path = announceUrl();
  expect(readPlainGet(get(path))).toEqual({ url: path, keep: true });
  const client = ['User-Agent: a/1 (b)', 'Accept-Encoding: gzip', 'X:'];
  expect(readPlainGet(get(path, ...client, 'Connection: close'))).toEqual({
    url: path,
    keep: false,
  });
  for (const other of [
    '',
    get(path).slice(0, -1),
    `${get(path)}x`,
    get(path) + get(path),
    get(path).replace('1.1', '1.0'),
    get(path).replace('GET', 'HEAD'),
    get(path).replace('host: tracker\r\n', ''),
    get('/announce'),
    get('/announced?x'),
    get('http://tracker/announce?x'),
    get('/announce?\xe9'),
    get(path, 'host: twice'),
    get(path, 'connection: upgrade'),
    get(path, 'Content-Length: 1'),
    get(path, 'transfer-encoding: chunked'),
    get(path, 'Expect: 100-continue'),
    get(path, 'Upgrade: websocket'),
    get(path, ' folded: line'),
    get(path, 'no colon'),
    get(path, 'x: \0'),
    get(path, 'name : value'),
    `GET ${path} HTTP/1.1\nhost: tracker\n\n`,
  ]) {
    expect(readPlainGet(other), JSON.stringify(other)).toBeUndefined();
  }
});
