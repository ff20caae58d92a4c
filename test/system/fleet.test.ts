import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runProgram, type ProgramName } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';
import { freePort } from './test-fleet.ts';

/** An app that tells in a file what it is told. */
const app = `
import { appendFileSync } from 'node:fs';
import { connectSettings } from ${JSON.stringify(new URL('../../src/api/settings-client.ts', import.meta.url).href)};
const settings = await connectSettings();
const tell = () => appendFileSync(settings.get('OUT'), settings.get('DB') + '\\n');
tell();
settings.onChange(tell);
`;

let directory: string;
let listening: ProgramEvent;
let operator: readonly string[];

const at = (...names: string[]) => join(directory, ...names);

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

beforeEach(async () => {
  directory = await temporaryDirectory();
  await resultOf('seeder', ['keys', 'init', '--keys', at('keys')]);
  await resultOf('tracker', ['fleet', 'init', '--dir', at('tracker')]);
  await startTracker();
});

async function startTracker(): Promise<RunningProgram> {
  const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
  const own = ['--dir', at('tracker'), '--root', at('keys', 'root.json')];
  const tracker = start('tracker', ['serve', ...own, ...ports, '--credential-ttl', '1m']);
  listening = await tracker.untilEvent('listening');
  operator = ['--tracker', String(listening.url), '--token-file', String(listening.tokenPath)];
  return tracker;
}

/** Calls the tracker as an operator does. */
const operate = (...args: readonly string[]) => resultOf('tracker', [...args, ...operator]);

const tokenFor = async (...grant: readonly string[]): Promise<string> =>
  String((await operate('token', 'create', ...grant)).token);

/** Bakes, releases and seeds the app, which needs DB. @returns the seeder */
async function release(): Promise<RunningProgram> {
  await mkdir(at('tree', '.starling'), { recursive: true });
  await writeFile(at('tree', 'app.mjs'), app);
  const manifest = {
    ...{ name: 'web', version: '1', kind: 'tree', start: [process.execPath, 'app.mjs'] },
    needs: { DB: { type: 'endpoint' }, OUT: { type: 'string' } },
  };
  await writeFile(at('tree', '.starling', 'image.json'), JSON.stringify(manifest));
  const { id } = await resultOf('seeder', ['bake', at('tree'), '--store', at('store')]);
  const keys = ['--keys', at('keys'), '--store', at('store')];
  await resultOf('seeder', ['release', 'web', 'stable', String(id), ...keys, ...operator]);
  const join = ['--join', await tokenFor('--role', 'seeder', '--app', '*')];
  const where = ['--store', at('store'), '--identity', at('seeder.key'), '--app', 'web'];
  const tracker = ['--tracker', String(listening.url), '--host', '127.0.0.1'];
  const seeder = start('seeder', ['seed', ...where, ...join, ...tracker]);
  await seeder.untilEvent('seeding');
  return seeder;
}

function host(name: string, token?: string): RunningProgram {
  const follow = ['--follow', 'web/stable', '--root', at('keys', 'root.json'), '--poll', '200ms'];
  const own = ['--dir', at(name), '--host', '127.0.0.1', '--supply', `OUT=${at(`${name}.told`)}`];
  const tracker = ['--tracker', String(listening.url)];
  const join = token === undefined ? [] : ['--join', token];
  return start('fetcher', ['run', ...tracker, ...follow, ...own, ...join]);
}

/** Waits until the app of a host has been told these values, and no others. */
const untilTold = (name: string, text: string): Promise<true> =>
  eventually(`${name} is told ${text}`, async () => {
    const told = await readFile(at(`${name}.told`), 'utf8').catch(() => '');
    return told === text ? true : undefined;
  });

test('a host joins, runs what was released once its needs are met, is told changes, and is out when it is revoked', async () => {
  await release();
  const first = host('one', await tokenFor('--app', 'web', '--label', 'rack=r1'));
  await first.untilEvent('fetched');
  const waiting = await first.untilEvent('fault');
  expect(waiting).toMatchObject({ state: 'waiting-for-settings', code: 'CONFIG_NEEDS_UNMET' });
  await operate('endpoint', 'set', 'web', 'DB', 'db-1:5432');
  await first.untilEvent('active');
  await untilTold('one', 'db-1:5432\n');
  await operate('endpoint', 'set', 'web', 'DB', 'db-2:5432');
  await untilTold('one', 'db-1:5432\ndb-2:5432\n');

  const { members } = await operate('member', 'list');
  const one = (members as ProgramEvent[]).find(({ labels }) => 'rack' in (labels as object));
  expect(one).toMatchObject({ state: 'member', connected: true, apps: ['web'] });
  const before = first.events.length;
  await operate('member', 'revoke', String(one?.peerId));
  const isOut = ({ event, connected }: ProgramEvent) => event === 'fleet' && connected === false;
  await first.until('that it is out', isOut, { after: before });
  const { members: after } = await operate('member', 'list');
  const revoked = { peerId: one?.peerId, state: 'revoked', connected: false };
  expect(after).toContainEqual(expect.objectContaining(revoked));
  // Its swarm is over too.
  const isAlone = ({ event, swarm }: ProgramEvent) =>
    event === 'swarm' && (swarm as { peers: number }).peers === 0;
  await first.until('that it has no peers', isAlone, { after: before });
  await first[Symbol.asyncDispose]();
  const failure = await failureOf('fetcher', [
    ...['run', '--tracker', String(listening.url), '--follow', 'web/stable'],
    ...['--root', at('keys', 'root.json'), '--dir', at('two'), '--host', '127.0.0.1'],
    ...['--join', String(await usedToken())],
  ]);
  expect(failure).toMatchObject({ code: 'TRACKER_REFUSED' });

  const { stdout } = await runProgram('tracker', [
    'audit',
    'list',
    '--dir',
    at('tracker'),
    '--json',
  ]);
  for (const action of ['token.create', 'member.join', 'settings.set', 'member.revoke']) {
    expect(stdout).toContain(action);
  }
  await resultOf('tracker', ['audit', 'verify', '--dir', at('tracker')]);
});

/** A token by which a host has joined already. */
async function usedToken(): Promise<string> {
  const token = await tokenFor('--app', 'web');
  const other = host('other', token);
  await other.untilEvent('running');
  await other[Symbol.asyncDispose]();
  return token;
}

test('a host that has joined starts without token and tracker, with the settings that it had', async () => {
  await release();
  await operate('endpoint', 'set', 'web', 'DB', 'db-1:5432');
  const first = host('one', await tokenFor('--app', 'web'));
  await first.untilEvent('active');
  await untilTold('one', 'db-1:5432\n');
  await first[Symbol.asyncDispose]();
  listening = { ...listening, url: 'http://127.0.0.1:1' };
  const again = host('one');
  await again.untilEvent('running');
  await untilTold('one', 'db-1:5432\ndb-1:5432\n');
});
