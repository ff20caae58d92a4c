import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../tools/eventually.ts';
import { freePort } from '../tools/free-port.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { resultOf, type JsonObject, type ProgramName } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

const isConnected = ({ event, connected }: ProgramEvent) => event === 'fleet' && connected === true;
const isOut = ({ event, connected }: ProgramEvent) => event === 'fleet' && connected === false;

test('a host that comes by an invitation waits, belongs when it is approved, and not any more when it is revoked', async () => {
  const directory = await temporaryDirectory();
  const at = (...names: string[]) => join(directory, ...names);
  const root = at('keys', 'root.json');
  await resultOf('seeder', ['keys', 'init', '--keys', at('keys')]);
  await resultOf('tracker', ['fleet', 'init', '--dir', at('tracker')]);
  const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
  const tracker = start('tracker', ['serve', '--dir', at('tracker'), '--root', root, ...ports]);
  const { url, tokenPath } = await tracker.untilEvent('listening');
  const operator = ['--tracker', String(url), '--token-file', String(tokenPath)];
  const operate = (...args: readonly string[]) => resultOf('tracker', [...args, ...operator]);
  const only = async (): Promise<JsonObject | undefined> => {
    const { members } = await operate('member', 'list');
    return (members as JsonObject[])[0];
  };

  const { invitation } = await operate('member', 'invite');
  const where = ['--tracker', String(url), '--root', root, '--dir', at('host')];
  const run = ['run', ...where, '--follow', 'web/stable', '--host', '127.0.0.1'];
  const host = start('fetcher', [...run, '--rack', 'r1', '--join', String(invitation)]);
  const asking = await eventually('it has asked', only);
  expect(asking).toMatchObject({ state: 'pending', connected: false, roles: [], apps: [] });
  expect(host.events.map(({ event }) => event)).not.toContain('running');
  const peerId = String(asking.peerId);

  await operate('member', 'approve', peerId, '--app', 'web');
  await host.until('that it is in session', isConnected);
  const expected = { peerId, state: 'member', apps: ['web'], labels: { rack: 'r1' } };
  expect(await only()).toMatchObject({ ...expected, connected: true, by: 'admin' });
  await host.end();

  // How it belongs is kept: it needs no invitation any more.
  const again = start('fetcher', run);
  await again.until('that it is in session again', isConnected);
  expect(await operate('member', 'revoke', peerId)).toMatchObject({ number: 1 });
  await again.until('that it is out', isOut);
  await again.end();
  const late = start('fetcher', [...run, '--join', String(invitation)]);
  await late.until('that it stays out', isOut);
  expect(await only()).toMatchObject({ peerId, state: 'revoked', connected: false });

  const log = ['--dir', at('tracker')];
  await resultOf('tracker', ['audit', 'verify', ...log]);
  const { entries } = await resultOf('tracker', ['audit', 'list', ...log]);
  const done = (entries as JsonObject[]).filter(({ outcome }) => outcome === 'done');
  expect(done.map(({ actor, action }) => [actor, action])).toEqual(
    expect.arrayContaining([
      [peerId, 'member.ask'],
      ['admin', 'member.approve'],
      ['admin', 'member.revoke'],
    ]),
  );
});
