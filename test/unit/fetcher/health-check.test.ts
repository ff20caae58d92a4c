import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as net from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { probeHealth } from '../../../fetcher/health-check.ts';
import type { HealthPlan } from '../../../fetcher/launch-plan.ts';
import { freePort, lives, makePlace, numberIn, signal, writeTree } from './fixture.ts';

const probing = { intervalMs: 10, timeoutMs: 20_000, successes: 1, deadlineMs: 1_000 };

async function listen(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function probe(health: HealthPlan, options: { tree?: string; signal?: AbortSignal } = {}) {
  return await probeHealth(health, {
    tree: options.tree ?? '/',
    environment: { PATH: process.env.PATH ?? '' },
    signal: options.signal ?? signal,
  });
}

function http(port: number, path: string, timeoutMs = 20_000): HealthPlan {
  return { ...probing, type: 'http', timeoutMs, url: new URL(`http://127.0.0.1:${port}${path}`) };
}

test('http passes for 2xx alone, and does not wait for the body', async () => {
  const server = createServer((request, response) => {
    response.writeHead(Number(request.url?.slice(1)), { location: '/200' });
    response.write('a body without end');
  });
  const port = await listen(server);
  for (const [path, ok] of [
    ['/200', true],
    ['/299', true],
    ['/302', false],
    ['/503', false],
  ] as const) {
    expect(await probe(http(port, path))).toMatchObject({ ok });
  }
  server.closeAllConnections();
});

test('http fails when nothing listens and when there is no answer in time', async () => {
  expect(await probe(http(await freePort(), '/'))).toMatchObject({ ok: false });
  const silentServer = createServer(() => undefined);
  const port = await listen(silentServer);
  expect(await probe(http(port, '/', 50))).toEqual({
    ok: false,
    detail: 'no answer within 50 ms',
  });
  silentServer.closeAllConnections();
});

test('tcp passes when a connection is accepted', async () => {
  const port = await listen(net.createServer((socket) => socket.destroy()));
  const tcp = { ...probing, type: 'tcp', host: '127.0.0.1' } as const;
  expect(await probe({ ...tcp, port })).toMatchObject({ ok: true });
  expect(await probe({ ...tcp, port: await freePort() })).toMatchObject({ ok: false });
});

test('exec passes when the command, run in the tree, ends with 0', async () => {
  const { root } = await makePlace();
  await writeTree(root, {
    'bin/ok': '#!/bin/sh\ntest -x bin/ok\n',
    'bin/bad': '#!/bin/sh\nexit 4\n',
  });
  const exec = (...command: string[]) =>
    probe({ ...probing, type: 'exec', command }, { tree: root });
  expect(await exec('bin/ok')).toEqual({ ok: true, detail: 'bin/ok ended with 0' });
  expect(await exec('bin/bad')).toEqual({ ok: false, detail: 'bin/bad ended with 4' });
  expect(await exec('bin/none')).toMatchObject({ ok: false });
});

test('a command that takes too long is ended with all it started', async () => {
  const { root } = await makePlace();
  await writeTree(root, {
    slow: '#!/bin/sh\nsleep 1000 & echo $! > child\ntrap "" TERM\nwait\n',
  });
  const health = { ...probing, type: 'exec', command: ['./slow'], timeoutMs: 500 } as const;
  expect(await probe(health, { tree: root })).toMatchObject({ ok: false });
  expect(await lives(await numberIn(join(root, 'child')))).toBe(false);
});

test('a probe that is aborted ends with the reason', async () => {
  const abort = new AbortController();
  const server = createServer(() => {
    abort.abort(new Error('enough'));
  });
  const port = await listen(server);
  await expect(probe(http(port, '/'), { signal: abort.signal })).rejects.toThrow('enough');
  server.closeAllConnections();
});
