import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { Identity } from '../../src/trust/index.ts';
import { eventually } from '../tools/eventually.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { describeTree, writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { failureOf, resultOf, runProgram, type ProgramName } from './ended-program.ts';
import { RunningProgram } from './running-program.ts';
import { freePort } from './test-fleet.ts';

let directory: string;
let fleetDirectory: string;
let fleetId: string;
let imageId: string;
let imageBytes: number;

const at = (...names: string[]) => join(directory, ...names);

beforeEach(async () => {
  directory = await temporaryDirectory();
  fleetDirectory = at('fleet');
  const tree = { large: seededBytes(1, 2_000_000), small: 'small' };
  await writeTree(at('tree'), tree);
  const names = ['--name', 'hello', '--version', '1', '--store', at('store')];
  const image = await resultOf('seeder', ['bake', at('tree'), ...names]);
  imageId = String(image.id);
  imageBytes = Number(image.bytes);
  const made = await resultOf('tracker', ['fleet', 'init', '--dir', fleetDirectory]);
  fleetId = String(made.fleetId);
});

/** Has a credential made for who has this identity. @returns its peer id */
async function admit(name: string, ...says: readonly string[]): Promise<string> {
  const { peerId } = await Identity.open(at(`${name}.key`));
  const order = ['fleet', 'credential', '--dir', fleetDirectory, '--peer', peerId];
  const { stdout } = await runProgram('tracker', [...order, ...says]);
  await writeFile(at(`${name}.credential`), stdout);
  return peerId;
}

const belongs = (name: string): string[] => [
  ...['--fleet', fleetId, '--identity', at(`${name}.key`)],
  ...['--credential', at(`${name}.credential`), '--host', '127.0.0.1'],
];

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

async function seed(...args: readonly string[]): Promise<{ seeder: RunningProgram; port: number }> {
  const where = ['seed', '--store', at('store'), '--app', 'hello', '--threads', '2'];
  const seeder = start('seeder', [...where, ...belongs('seeder'), ...args]);
  return { seeder, port: Number((await seeder.untilEvent('seeding')).port) };
}

const fetchArgs = (name: string, port: number): string[] => [
  ...['fetch', imageId, '--app', 'hello', '--dir', at(name), '--peer', `127.0.0.1:${port}`],
  ...belongs(name),
];

test('a member fetches what its credential allows; others, and for other apps, get nothing', async () => {
  await admit('seeder', '--role', 'seeder', '--app', '*');
  const { seeder, port } = await seed();
  await admit('host', '--role', 'host', '--app', 'hel*', '--label', 'zone=z1');
  const { tree } = await resultOf('fetcher', fetchArgs('host', port));
  expect(await describeTree(String(tree))).toEqual(
    await describeTree(at('store', imageId, 'hello')),
  );

  await admit('other', '--role', 'host', '--app', 'other');
  const refused = await failureOf('fetcher', [...fetchArgs('other', port), '--deadline', '2s']);
  expect(refused).toMatchObject({ exit: 4, code: 'DEADLINE_PASSED' });

  // A fleet of its own making, with the same names.
  const forged = at('forged');
  await resultOf('tracker', ['fleet', 'init', '--dir', forged]);
  fleetDirectory = forged;
  const strangerId = await admit('stranger', '--role', 'host', '--app', '*');
  const foreign = await failureOf('fetcher', fetchArgs('stranger', port));
  expect(foreign).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
  expect(foreign.message).toContain(`is not signed by the key of the fleet ${fleetId}`);
  await seeder.end();
  expect(strangerId).toMatch(/^12D3Koo/);
  expect(seeder.events.at(-1)).toMatchObject({ event: 'ended', sentBytes: imageBytes });
});

test('a member that is revoked while it fetches is cut off within seconds, and gets no more', async () => {
  await admit('seeder', '--role', 'seeder', '--app', '*');
  const hostId = await admit('host', '--role', 'host', '--app', '*');
  const revoke = ['fleet', 'revoke', '--dir', fleetDirectory, '--peer'];
  await resultOf('tracker', [...revoke, fleetId]);
  const list = join(fleetDirectory, 'revocations');
  const { seeder, port } = await seed('--revocations', list, '--upload-limit', '100kB');
  const host = start('fetcher', [...fetchArgs('host', port), '--deadline', '100s']);
  const said = (why: string) =>
    eventually(why, () => Promise.resolve(seeder.stderr.includes(why) ? true : undefined));
  const incoming = at('host', 'store', `.incoming-${imageId}`);
  await eventually('it has begun', () => describeTree(incoming).catch(() => undefined));
  expect(await resultOf('tracker', [...revoke, hostId])).toMatchObject({ number: 2 });
  await said(`a peer was cut off: ${hostId} is revoked`);
  await said(`a peer was refused: ${hostId} is revoked`);
  await host.end();
  await seeder.end();
  expect(Number(seeder.events.at(-1)?.sentBytes)).toBeLessThan(imageBytes);
});

test('a fetcher knows by its channels of which apps its images are, also when it starts again', async () => {
  const keys = at('keys');
  await resultOf('seeder', ['keys', 'init', '--keys', keys]);
  const root = ['--root', join(keys, 'root.json')];
  const port = String(await freePort());
  const tracker = start('tracker', ['serve', '--port', port, '--dir', at('tracker'), ...root]);
  const { url, tokenPath } = await tracker.untilEvent('listening');
  const publish = ['--tracker', String(url), '--keys', keys, '--token-file', String(tokenPath)];
  const release = ['release', 'hello', 'stable', imageId, '--store', at('store')];
  await resultOf('seeder', [...release, ...publish]);
  await admit('seeder', '--role', 'seeder', '--app', '*');
  const { seeder } = await seed('--tracker', String(url));
  await admit('host', '--role', 'host', '--app', 'hello');
  const where = ['--tracker', String(url), '--dir', at('host'), '--poll', '200ms'];
  const run = ['run', '--follow', 'hello/stable', ...where, ...root, ...belongs('host')];
  const host = start('fetcher', run);
  await host.untilEvent('active');
  await Promise.all([seeder.end(), host.end()]);

  const again = await start('fetcher', run).untilEvent('running');
  await admit('next', '--role', 'host', '--app', 'hel*');
  const { tree } = await resultOf('fetcher', fetchArgs('next', Number(again.port)));
  expect(await describeTree(String(tree))).toEqual(
    await describeTree(at('store', imageId, 'hello')),
  );
});

test('how a host belongs is said in one way, and wholly', async () => {
  const where = ['seed', '--store', at('store'), '--identity', at('seeder.key')];
  const id = ['--fleet', fleetId];
  for (const [args, code, why] of [
    [id, 'CONFIG_MISSING', '--credential FILE'],
    [['--credential', 'x'], 'CONFIG_MISSING', 'Add --fleet ID'],
    [[...id, '--credential', 'x', '--members', 'y'], 'CONFIG_INVALID', 'not both'],
    [['--fleet', 'x', '--credential', 'y'], 'CONFIG_INVALID', 'is not the id of a fleet'],
  ] as const) {
    const failure = await failureOf('seeder', [...where, ...args], { cwd: directory });
    expect(failure).toMatchObject({ exit: 2, code });
    expect(failure.message).toContain(why);
  }
  const order = ['fleet', 'credential', '--dir', fleetDirectory, '--peer', fleetId];
  expect(await failureOf('tracker', [...order, '--role', 'root'])).toMatchObject({ exit: 2 });
  const nowhere = ['fleet', 'revoke', '--dir', at('nowhere'), '--peer', fleetId];
  expect(await failureOf('tracker', nowhere)).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
});
