import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { startTracker } from '../../../tracker/index.ts';
import { createPublisher, runNewTracker, temporaryDirectory } from './running-tracker.ts';

async function newInit() {
  const { rootPath } = await createPublisher();
  return { directory: await temporaryDirectory(), rootPath, port: 0, logLevel: 'silent' } as const;
}

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

test('a tracker that is disposed of listens no more, and can be disposed of twice', async () => {
  const tracker = await startTracker(await newInit());
  expect(await isListening(tracker.port)).toBe(true);
  await tracker[Symbol.asyncDispose]();
  await tracker[Symbol.asyncDispose]();
  expect(await isListening(tracker.port)).toBe(false);
});

test('a signal that aborts ends the tracker, and one that has aborted starts none', async () => {
  const controller = new AbortController();
  const init = await newInit();
  const tracker = await startTracker(init, {}, { signal: controller.signal });
  controller.abort();
  await tracker[Symbol.asyncDispose]();
  expect(await isListening(tracker.port)).toBe(false);
  await expect(startTracker(init, {}, { signal: controller.signal })).rejects.toThrow(/aborted/);
});

test('connections that are kept alive, or stall in mid-request, do not hold up the end', async () => {
  const { tracker } = await runNewTracker({ closeGraceMs: 50 });
  const agent = new Agent({ keepAlive: true });
  onTestFinished(() => agent.destroy());
  const asked = request(`${tracker.url}/healthz`, { agent }).end();
  const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
  response.resume();
  await once(response, 'end');
  const stalled = connect(tracker.port, '127.0.0.1');
  onTestFinished(() => void stalled.destroy());
  stalled.on('error', () => undefined);
  await once(stalled, 'connect');
  await new Promise((resolve) =>
    stalled.write('PUT /v1/releases HTTP/1.1\r\nhost: t\r\n', resolve),
  );
  await tracker[Symbol.asyncDispose]();
  expect(await isListening(tracker.port)).toBe(false);
});

test('a port that is taken is told as such, and nothing is left open', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const started = startTracker({ ...(await newInit()), port });
  await expect(started).rejects.toMatchObject({ code: 'CONFIG_IN_USE' });
});

test('options that can not be used are named', async () => {
  const init = await newInit();
  const port = startTracker({ ...init, port: 70_000 });
  await expect(port).rejects.toThrow(/port/);
  const unknown = { ...init, prot: 1 };
  await expect(startTracker(unknown)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const host = startTracker({ ...init, host: '203.0.113.77' });
  await expect(host).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
