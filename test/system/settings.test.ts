import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { FetcherClient } from '../../src/api/index.ts';
import { JsonProcess } from '../interop/json-process.ts';
import { eventually } from '../tools/eventually.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { checkout, failureOf, resultOf, runProgram } from './ended-program.ts';
import { RunningProgram } from './running-program.ts';

/** Writes down what it has, when it starts and at each change. */
const app = `
import { appendFileSync } from 'node:fs';
import { connectSettings } from './settings-client.ts';
const settings = await connectSettings();
const { OUT, DB } = process.env;
const say = (names) => appendFileSync(OUT, JSON.stringify({
  names, db: settings.get('DB'), limit: settings.get('LIMIT'), color: settings.behaviour.color,
  started: DB, pid: process.pid,
}) + '\\n');
say([]);
settings.onChange(({ names }) => say(names));
`;

interface Said {
  readonly names: string[];
  readonly db: string;
  readonly limit: number;
  readonly started: string;
  readonly pid: number;
}

const needs = {
  DB: { type: 'url' },
  LIMIT: { type: 'number', default: 5 },
  OUT: { type: 'string' },
};

/** Bakes a version of the app. @returns its image id */
async function bakeApp(tree: string, store: string, version: string, more: object = {}) {
  await writeTree(tree, {
    'app.mjs': app,
    '.starling/image.json': JSON.stringify({
      start: [process.execPath, 'app.mjs'],
      settings: { color: 'red' },
      needs: { ...needs, ...more },
    }),
  });
  const client = join(checkout, 'src', 'api', 'settings-client.ts');
  await cp(client, join(tree, 'settings-client.ts'));
  const names = ['--name', 'hello', '--version', version];
  const { id } = await resultOf('seeder', ['bake', tree, ...names, '--store', store]);
  return String(id);
}

/** A tracker, and a host on which the images of two versions lie already; the second needs more. */
async function makeHost() {
  const directory = await temporaryDirectory();
  const at = (...names: string[]) => join(directory, ...names);
  const keys = ['--keys', at('keys')];
  await resultOf('seeder', ['keys', 'init', ...keys]);
  const root = at('keys', 'root.json');
  const serve = ['serve', '--port', '0', '--host', '127.0.0.1', '--dir', at('tracker')];
  const tracker = new RunningProgram('tracker', [...serve, '--root', root]);
  onTestFinished(async () => void (await tracker.end()));
  const { url, tokenPath } = await tracker.untilEvent('listening');
  const store = at('host', 'store');
  const images = [
    await bakeApp(at('one'), store, '1'),
    await bakeApp(at('two'), store, '2', { CACHE: { type: 'endpoint' } }),
  ];
  const to = ['--tracker', String(url), '--token-file', String(tokenPath)];
  const release = async (version: number) => {
    const what = ['hello', 'stable', images[version - 1] ?? '', '--store', store];
    await resultOf('seeder', ['release', ...what, ...keys, ...to]);
  };

  const startFetcher = () => {
    const script = join(import.meta.dirname, 'settings-fetcher.ts');
    const args = [script, at('host'), String(url), root, at('said')];
    const fetcher = new JsonProcess(process.execPath, args);
    onTestFinished(() => fetcher[Symbol.asyncDispose]());
    return fetcher;
  };
  const said = async (count: number): Promise<Said[]> =>
    await eventually(`the app says ${count} lines`, async () => {
      const text = await readFile(at('said'), 'utf8').catch(() => '');
      const lines = text.split('\n').slice(0, -1);
      return lines.length < count ? undefined : lines.map((line) => JSON.parse(line) as Said);
    });
  const operator = new FetcherClient({ socketPath: at('host', 'fetcher.sock') });
  return { host: ['--dir', at('host')], operator, tracker, release, startFetcher, said };
}

const event = (name: string) => z.looseObject({ event: z.literal(name) });
const applied = (what: string) => event('applied').extend({ applied: z.literal(what) });

test('images wait for their needs, an app is told of changes, and a host starts without a tracker', async () => {
  const { host, operator, tracker, release, startFetcher, said } = await makeHost();
  await release(1);
  const first = startFetcher();
  const waiting = await first.take(event('fault'), 'that it waits');
  expect(waiting).toMatchObject({ state: 'waiting-for-settings', code: 'CONFIG_NEEDS_UNMET' });
  const status = await operator.status();
  expect(status?.channels).toMatchObject([
    { state: 'waiting-for-settings', fault: { needs: { DB: 'is not supplied' } } },
  ]);
  const { stdout } = await runProgram('fetcher', ['status', ...host]);
  expect(stdout).toContain("waiting-for-settings: The image hello 1 can't run here: DB is not");

  first.tell({ revision: 1, values: { DB: 'http://all/', 'DB@eu': 'http://eu-1/' } });
  await first.take(applied('new'), 'that revision 1 holds');
  await first.take(event('active'), 'that 1 is active');
  const [start] = await said(1);
  const pid = start?.pid;
  const db = 'http://eu-1/';
  expect(start).toEqual({ names: [], db, limit: 5, color: 'red', started: db, pid });

  first.tell({ revision: 2, values: { 'DB@eu': 'http://eu-2/', LIMIT: '7' } });
  const [, change] = await said(2);
  const then = { db: 'http://eu-2/', limit: 7, color: 'red', started: db, pid };
  expect(change).toEqual({ names: ['DB', 'LIMIT'], ...then });
  first.tell({ revision: 1, values: {} });
  await first.take(applied('older'), 'that revision 1 is old');
  expect(await operator.settings()).toMatchObject({
    apps: [
      {
        app: 'hello',
        revision: 2,
        channels: [
          {
            channel: 'stable',
            watchers: 1,
            needs: [
              { name: 'DB', value: 'http://eu-2/', source: 'zone' },
              { name: 'LIMIT', value: 7, source: 'fleet' },
              { name: 'OUT', source: 'supply' },
            ],
          },
        ],
      },
    ],
  });

  await release(2);
  expect(await first.take(event('fault'), 'that it waits')).toMatchObject({
    state: 'waiting-for-settings',
    message: expect.stringMatching(/hello 2 can't run here: CACHE is not supplied\./) as string,
  });
  const meanwhile = await operator.status();
  expect(meanwhile?.channels).toMatchObject([
    { activation: { state: 'running', pid, version: '1' } },
  ]);
  const values = { 'DB@eu': 'http://eu-2/', LIMIT: 7, CACHE: 'cache:11211' };
  first.tell({ revision: 3, values });
  await first.take(event('active').extend({ generation: z.literal(2) }), 'that 2 is active');
  await said(3);

  first.kill('SIGKILL');
  await first.ended();
  await tracker.end();
  const kept = await runProgram('fetcher', ['settings', ...host]);
  expect(await failureOf('fetcher', ['settings', 'other', ...host])).toMatchObject({
    exit: 2,
    code: 'CONFIG_INVALID',
  });
  const lines = [
    'hello: revision 3',
    '  DB@eu = http://eu-2/',
    '  LIMIT = 7',
    '  CACHE = cache:11211',
  ];
  expect(kept.stdout).toBe(`${lines.join('\n')}\n`);
  const second = startFetcher();
  await second.take(event('running'), 'that it runs');
  const [, , , again] = await said(4);
  expect(again).toMatchObject({ db: 'http://eu-2/', limit: 7, started: 'http://eu-2/' });
  expect(again?.pid).not.toBe(pid);
  second.tell({ end: true });
  expect(await second.ended()).toBe('exit code 0');
});
