import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { SettingsApi } from '../../../fetcher/settings/settings-api.ts';
import { connectSettings } from '../../../src/api/settings-client.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';
import { runningSettings, startedImage } from '../fetcher/settings/fixture.ts';

interface Needs {
  readonly DB: string;
  readonly LIMIT: number;
}

/** The socket of an app that runs, and how its fetcher opens it. */
async function startApp() {
  const { directory, settings, running } = await runningSettings();
  await settings.apply({ revision: 1, values: { DB: 'http://db-1/' } });
  running.show(await startedImage());
  const socketPath = join(directory, 'web.sock');
  const open = async () => {
    const api = await SettingsApi.open({ running }, { socketPath });
    onTestFinished(() => api[Symbol.asyncDispose]());
    return api;
  };
  const connect = async () => {
    const client = await connectSettings<Needs, { color: string }>({ socketPath });
    onTestFinished(() => {
      client.close();
    });
    return client;
  };
  return { settings, running, socketPath, open, connect };
}

test('an app reads its settings by name, with their types', async () => {
  const { open, connect } = await startApp();
  await open();
  const client = await connect();
  const db: string = client.get('DB');
  const limit: number = client.get('LIMIT');
  expect([db, limit]).toEqual(['http://db-1/', 5]);
  expect(client.behaviour.color).toBe('red');
  expect(client).toMatchObject({ revision: 1, isConnected: true });
  expect(() => client.get('OTHER' as 'DB')).toThrow('this image does not need OTHER');
});

test('an app is called back with what changed, until it does not want it', async () => {
  const { settings, open, connect } = await startApp();
  await open();
  const client = await connect();
  const heard: unknown[] = [];
  const end = client.onChange((change) => heard.push({ ...change, db: client.get('DB') }));
  const DB = 'http://db-2/';
  await settings.apply({ revision: 2, values: { DB } });
  await vi.waitFor(() => {
    expect(heard).toEqual([{ names: ['DB'], revision: 2, db: DB }]);
  });
  end();
  const next = Promise.withResolvers<unknown>();
  client.onChange(next.resolve);
  await settings.apply({ revision: 3, values: { DB, LIMIT: '6' } });
  expect(await next.promise).toEqual({ names: ['LIMIT'], revision: 3 });
  expect(heard).toHaveLength(1);
});

test('an app connects again by itself, and hears of what changed meanwhile, once', async () => {
  const { settings, open, connect } = await startApp();
  const api = await open();
  const client = await connect();
  const changes: unknown[] = [];
  client.onChange((change) => changes.push(change));
  await api[Symbol.asyncDispose]();
  await vi.waitFor(() => {
    expect(client.isConnected).toBe(false);
  });
  await settings.apply({ revision: 2, values: { DB: 'http://db-2/' } });
  expect(client.get('DB')).toBe('http://db-1/');
  await open();
  await vi.waitFor(() => {
    expect(client).toMatchObject({ isConnected: true, revision: 2 });
  });
  expect(changes).toEqual([{ names: ['DB'], revision: 2 }]);
});

test('a client that is closed hears nothing more and lets go of its connection', async () => {
  const { settings, open, connect } = await startApp();
  const api = await open();
  const client = await connect();
  client.onChange(() => {
    throw new Error('it was closed');
  });
  client.close();
  await vi.waitFor(() => {
    expect(api.watchers).toBe(0);
  });
  await settings.apply({ revision: 2, values: { DB: 'http://db-2/' } });
  expect(client.get('DB')).toBe('http://db-1/');
});

test('an app that no fetcher started, or whose fetcher does not answer, is told so', async () => {
  vi.stubEnv('STARLING_SETTINGS_SOCKET', undefined);
  onTestFinished(() => void vi.unstubAllEnvs());
  await expect(connectSettings()).rejects.toThrow('STARLING_SETTINGS_SOCKET is not set');
  const { socketPath } = await startApp();
  vi.stubEnv('STARLING_SETTINGS_SOCKET', socketPath);
  await expect(connectSettings()).rejects.toThrow(`does not tell settings at ${socketPath}`);
});

/** A server that answers watchers with these texts, one after the other. */
async function playFetcher(answers: readonly string[]): Promise<{ path: string; server: Server }> {
  const path = join(await temporaryDirectory(), 'a.sock');
  const left = [...answers];
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(left.shift() ?? '');
  });
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { path, server };
}

const event = (name: string, id: number, data: unknown) =>
  `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
const values = (revision: number, DB: string) => ({ revision, values: { DB: { value: DB } } });

test('what is not understood ends the connection, and another is made', async () => {
  const { path } = await playFetcher([
    `${event('settings', 1, values(1, 'a'))}event: change\ndata: {\n\n`,
    event('settings', 2, values(2, 'b')),
  ]);
  using client = await connectSettings<{ DB: string }>({ socketPath: path });
  await vi.waitFor(() => {
    expect(client.get('DB')).toBe('b');
  });
});

test('events of a newer fetcher are passed over', async () => {
  const first = event('settings', 1, values(1, 'a')) + event('news', 2, { more: 1 }) + ':\n\n';
  const { path } = await playFetcher([first + event('change', 3, values(3, 'c'))]);
  using client = await connectSettings<{ DB: string }>({ socketPath: path });
  await vi.waitFor(() => {
    expect(client).toMatchObject({ revision: 3, isConnected: true });
  });
});

test('a signal ends connecting', async () => {
  const { path } = await playFetcher(['']);
  const aborting = new AbortController();
  const connecting = connectSettings({ socketPath: path, signal: aborting.signal });
  aborting.abort();
  await expect(connecting).rejects.toThrow('does not tell settings');
});

test('the client needs nothing but Node', async () => {
  const file = join(import.meta.dirname, '../../../src/api/settings-client.ts');
  const imports = [...(await readFile(file, 'utf8')).matchAll(/^import .* from '(.*)';$/gm)];
  expect(imports.length).toBeGreaterThan(0);
  for (const [, from] of imports) expect(from).toMatch(/^node:/);
});
