import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { AppSettings } from '../../../../fetcher/settings/app-settings.ts';
import { openSettingsApi } from '../../../../fetcher/settings/open-settings-api.ts';
import { SettingsApi, type SettingsApiConfig } from '../../../../fetcher/settings/settings-api.ts';
import { appSettingsSchema, appValuesSchema } from '../../../../src/api/index.ts';
import { silent } from '../fixture.ts';
import { runningSettings, startedImage } from './fixture.ts';

/** A socket at which the app `web` reads its settings. */
async function openApi(config: Partial<SettingsApiConfig> = {}) {
  const { directory, settings, running } = await runningSettings();
  const socketPath = join(directory, 'web.sock');
  const api = await SettingsApi.open({ running }, { socketPath, config });
  onTestFinished(() => api[Symbol.asyncDispose]());
  return { directory, settings, running, api, socketPath };
}

const setDb = (settings: AppSettings, revision: number, more: Record<string, string> = {}) =>
  settings.apply({ revision, values: { DB: `http://db-${revision}/`, ...more } });

async function ask(
  socketPath: string,
  path = '/v1/settings',
  headers: Readonly<Record<string, string>> = {},
): Promise<IncomingMessage> {
  const sent = request({ socketPath, path, headers, agent: false }).end();
  onTestFinished(() => void sent.destroy());
  sent.on('error', () => undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

interface Heard {
  readonly name: string | undefined;
  readonly id: string | undefined;
  readonly data: unknown;
}

/** Watches, and reads event after event; comments have no name. */
async function watch(socketPath: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await ask(socketPath, '/v1/settings/watch', headers);
  expect(response.headers['content-type']).toBe('text/event-stream');
  const blocks = (async function* () {
    let rest = '';
    for await (const part of response.setEncoding('utf8')) {
      const parts = (rest + String(part)).split('\n\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
  })();
  const next = async (): Promise<Heard | undefined> => {
    const { value: block, done } = await blocks.next();
    if (done === true) return undefined;
    if (block.startsWith('retry:')) return await next();
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
    const data = field('data');
    return {
      name: field('event'),
      id: field('id'),
      data: data === undefined ? undefined : (JSON.parse(data) as unknown),
    };
  };
  return { response, next };
}

test('an app asks for its settings', async () => {
  const { settings, running, socketPath } = await openApi();
  const early = await ask(socketPath);
  expect(early.statusCode).toBe(503);
  expect(await text(early)).toContain('nothing was started yet');
  await setDb(settings, 1);
  running.show(await startedImage());
  const response = await ask(socketPath);
  expect(response.statusCode).toBe(200);
  const document = appSettingsSchema.parse(JSON.parse(await text(response)));
  expect(document).toEqual(running.document());
  expect(document.values).toMatchObject({ DB: { type: 'url', value: 'http://db-1/' } });
});

test('a watcher is told everything, then each change of values under its revision', async () => {
  const { settings, running, socketPath } = await openApi();
  await setDb(settings, 1);
  running.show(await startedImage());
  const { next } = await watch(socketPath);
  expect(await next()).toEqual({ name: 'settings', id: '1', data: running.document() });
  await setDb(settings, 2);
  const second = await next();
  expect(second).toEqual({ name: 'change', id: '2', data: running.values() });
  expect(appValuesSchema.parse(second?.data).values.DB).toEqual({
    type: 'url',
    value: 'http://db-2/',
  });
  await settings.apply({ revision: 3, values: { DB: 'http://db-2/', OTHER: 'x' } });
  await setDb(settings, 4);
  expect(await next()).toMatchObject({ name: 'change', id: '4' });
  running.show(await startedImage(2));
  expect(await next()).toMatchObject({ name: 'settings', id: '4', data: { generation: 2 } });
});

test('a watcher that comes back is told only what it has not seen', async () => {
  const { settings, running, socketPath } = await openApi();
  await setDb(settings, 5);
  running.show(await startedImage());
  const current = await watch(socketPath, { 'last-event-id': '5' });
  const behind = await watch(socketPath, { 'last-event-id': '4' });
  expect(await behind.next()).toMatchObject({ name: 'settings', id: '5' });
  await setDb(settings, 6);
  expect(await current.next()).toMatchObject({ name: 'change', id: '6' });
  expect(await behind.next()).toMatchObject({ name: 'change', id: '6' });
});

test('a watcher hears signs of life', async () => {
  const { socketPath } = await openApi({ heartbeatMs: 5 });
  const { next } = await watch(socketPath);
  expect(await next()).toEqual({ name: undefined, id: undefined, data: undefined });
});

test('there are only so many watchers, and room again when one has gone', async () => {
  const { running, api, socketPath } = await openApi({ maxWatchers: 2 });
  running.show(await startedImage(1, { DB: 'http://db/' }));
  const first = await watch(socketPath);
  await watch(socketPath);
  const refused = await ask(socketPath, '/v1/settings/watch');
  expect(refused.statusCode).toBe(503);
  expect(await text(refused)).toContain('2 watchers are told already');
  first.response.destroy();
  await vi.waitFor(() => {
    expect(api.watchers).toBe(1);
  });
  await watch(socketPath);
});

test('a watcher that does not read is dropped, and others are told', async () => {
  const { settings, running, api, socketPath } = await openApi({ maxBufferedBytes: 100_000 });
  await setDb(settings, 1);
  running.show(await startedImage());
  const deaf = connect(socketPath).pause();
  onTestFinished(() => void deaf.destroy());
  deaf.on('error', () => undefined);
  deaf.write('GET /v1/settings/watch HTTP/1.1\r\nhost: a\r\n\r\n');
  const reader = await watch(socketPath);
  await vi.waitFor(() => {
    expect(api.watchers).toBe(2);
  });
  expect(await reader.next()).toMatchObject({ id: '1' });
  for (let revision = 2; api.watchers === 2; revision++) {
    const DB = `http://db/${'x'.repeat(50_000)}${revision}`;
    await settings.apply({ revision, values: { DB } });
    expect(await reader.next()).toMatchObject({ id: String(revision) });
    expect(revision).toBeLessThan(100);
  }
});

test('the socket is its owner’s, and goes with its watchers when it is closed', async () => {
  const { directory, api, socketPath } = await openApi();
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  const { next } = await watch(socketPath);
  await api[Symbol.asyncDispose]();
  expect(await next()).toBeUndefined();
  expect(await readdir(directory)).not.toContain('web.sock');
});

test('channels have sockets of their own, in a directory that is their owner’s', async () => {
  const { directory, running } = await runningSettings();
  const sockets = join(directory, 'sockets');
  const open = (channel: string) =>
    openSettingsApi({ running, log: silent }, { directory: sockets, app: 'web', channel });
  await using one = await open('stable');
  await using two = await open('x'.repeat(100));
  expect(one?.socketPath).not.toBe(two?.socketPath);
  expect((await stat(sockets)).mode & 0o777).toBe(0o700);
});

test('where a path is too long for a socket there is none, which is said', async () => {
  const { directory, running } = await runningSettings();
  const log = silent.child({});
  const warn = vi.spyOn(log, 'warn');
  const long = join(directory, 'd'.repeat(100));
  const api = await openSettingsApi(
    { running, log },
    { directory: long, app: 'web', channel: 'stable' },
  );
  expect(api).toBeUndefined();
  expect(warn).toHaveBeenCalledOnce();
  expect(await readdir(directory)).toEqual([]);
});
