import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { beforeEach, expect, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { failureOf, resultOf, runProgram } from './ended-program.ts';
import { FleetPrograms } from './fleet-programs.ts';
import type { RunningProgram, ProgramEvent } from './running-program.ts';

/** An app that tells in a file what it is told. */
const app = `
import { appendFileSync } from 'node:fs';
import { connectSettings } from ${JSON.stringify(new URL('../../src/api/settings-client.ts', import.meta.url).href)};
const settings = await connectSettings();
const tell = () => appendFileSync(settings.get('OUT'), settings.get('DB') + '\\n');
tell();
settings.onChange(tell);
`;

let fleet: FleetPrograms;

beforeEach(async () => {
  fleet = await FleetPrograms.start();
});

/** Bakes, releases and seeds the app, which needs DB. @returns the seeder */
async function release(): Promise<RunningProgram> {
  await mkdir(fleet.at('tree', '.starling'), { recursive: true });
  await writeFile(fleet.at('tree', 'app.mjs'), app);
  const manifest = {
    ...{ name: 'web', version: '1', kind: 'tree', start: [process.execPath, 'app.mjs'] },
    needs: { DB: { type: 'endpoint' }, OUT: { type: 'string' } },
  };
  await writeFile(fleet.at('tree', '.starling', 'image.json'), JSON.stringify(manifest));
  await fleet.release(await fleet.bake(fleet.at('tree')));
  return await fleet.seed();
}

/** Waits until the app of a host has been told these values, and no others. */
const untilTold = (name: string, text: string): Promise<true> =>
  eventually(`${name} is told ${text}`, async () => {
    const told = await readFile(fleet.at(`${name}.told`), 'utf8').catch(() => '');
    return told === text ? true : undefined;
  });

test('a host joins, runs what was released once its needs are met, is told changes, and is out when it is revoked', async () => {
  await release();
  const first = fleet.host('one', await fleet.tokenFor('--app', 'web', '--label', 'rack=r1'));
  await first.untilEvent('fetched');
  const waiting = await first.untilEvent('fault');
  expect(waiting).toMatchObject({ state: 'waiting-for-settings', code: 'CONFIG_NEEDS_UNMET' });
  await fleet.operate('endpoint', 'set', 'web', 'DB', 'db-1:5432');
  await first.untilEvent('active');
  await untilTold('one', 'db-1:5432\n');
  await fleet.operate('endpoint', 'set', 'web', 'DB', 'db-2:5432');
  await untilTold('one', 'db-1:5432\ndb-2:5432\n');

  const { members } = await fleet.operate('member', 'list');
  const one = (members as ProgramEvent[]).find(({ labels }) => 'rack' in (labels as object));
  expect(one).toMatchObject({ state: 'member', connected: true, apps: ['web'] });
  const before = first.events.length;
  await fleet.operate('member', 'revoke', String(one?.peerId));
  const isOut = ({ event, connected }: ProgramEvent) => event === 'fleet' && connected === false;
  await first.until('that it is out', isOut, { after: before });
  const { members: after } = await fleet.operate('member', 'list');
  const revoked = { peerId: one?.peerId, state: 'revoked', connected: false };
  expect(after).toContainEqual(expect.objectContaining(revoked));
  // Its swarm is over too.
  const isAlone = ({ event, swarm }: ProgramEvent) =>
    event === 'swarm' && (swarm as { peers: number }).peers === 0;
  await first.until('that it has no peers', isAlone, { after: before });
  await first[Symbol.asyncDispose]();
  const failure = await failureOf('fetcher', [
    ...['run', '--tracker', fleet.url, '--follow', 'web/stable'],
    ...['--root', fleet.at('keys', 'root.json'), '--dir', fleet.at('two'), '--host', '127.0.0.1'],
    ...['--join', String(await usedToken())],
  ]);
  expect(failure).toMatchObject({ code: 'TRACKER_REFUSED' });

  const { stdout } = await runProgram('tracker', [
    'audit',
    'list',
    '--dir',
    fleet.at('tracker'),
    '--json',
  ]);
  for (const action of ['token.create', 'member.join', 'settings.set', 'member.revoke']) {
    expect(stdout).toContain(action);
  }
  await resultOf('tracker', ['audit', 'verify', '--dir', fleet.at('tracker')]);
});

/** A token by which a host has joined already. */
async function usedToken(): Promise<string> {
  const token = await fleet.tokenFor('--app', 'web');
  const other = fleet.host('other', token);
  await other.untilEvent('running');
  await other[Symbol.asyncDispose]();
  return token;
}

test('a host that has joined starts without token and tracker, with the settings that it had', async () => {
  await release();
  await fleet.operate('endpoint', 'set', 'web', 'DB', 'db-1:5432');
  const first = fleet.host('one', await fleet.tokenFor('--app', 'web'));
  await first.untilEvent('active');
  await untilTold('one', 'db-1:5432\n');
  await first[Symbol.asyncDispose]();
  fleet.url = 'http://127.0.0.1:1';
  const again = fleet.host('one');
  await again.untilEvent('running');
  await untilTold('one', 'db-1:5432\ndb-1:5432\n');
});
