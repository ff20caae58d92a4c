import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { EtcdCluster } from '../interop/etcd-cluster.ts';
import { eventually } from '../tools/eventually.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { resultOf, type JsonObject, type ProgramName } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';
import { freePort } from './test-fleet.ts';

const hostCount = 12;
const limit = 3;
/** It notes when it starts and when it ends, and is well. */
const app = `
const { appendFileSync, readFileSync } = require('node:fs');
const { version } = JSON.parse(readFileSync('release.json', 'utf8'));
const note = (what) => appendFileSync(process.env.OUT, [version, what, Date.now()].join(' ') + '\\n');
process.on('SIGTERM', () => {
  note('down');
  process.exit(0);
});
setInterval(() => undefined, 60_000);
note('up');
`;

interface Note {
  readonly version: string;
  readonly what: string;
  readonly atMs: number;
}

let directory: string;
const at = (...names: string[]) => join(directory, ...names);

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

interface TestTracker {
  readonly program: RunningProgram;
  readonly url: string;
  readonly operator: readonly string[];
}

async function startTracker(name: string, store: string): Promise<TestTracker> {
  const ports = ['--port', '0', '--no-udp', '--control-port', String(await freePort())];
  const own = ['--dir', at(name), '--root', at('keys', 'root.json'), '--store', store];
  const program = start('tracker', ['serve', ...own, ...ports]);
  const { url, tokenPath } = await program.untilEvent('listening');
  const operator = ['--tracker', String(url), '--token-file', String(tokenPath)];
  return { program, url: String(url), operator };
}

async function bake(version: string): Promise<string> {
  const tree = at(`tree-${version}`);
  await mkdir(join(tree, '.starling'), { recursive: true });
  await writeFile(join(tree, 'app.cjs'), app);
  await writeFile(join(tree, 'release.json'), JSON.stringify({ version }));
  const manifest = {
    ...{ name: 'web', version, kind: 'tree', start: [process.execPath, 'app.cjs'] },
    needs: { OUT: { type: 'string' } },
  };
  await writeFile(join(tree, '.starling', 'image.json'), JSON.stringify(manifest));
  return String((await resultOf('seeder', ['bake', tree, '--store', at('store')])).id);
}

async function notesOf(host: number): Promise<Note[]> {
  const lines = (await readFile(at(`told-${host}`), 'utf8').catch(() => '')).trim().split('\n');
  return lines.map((line) => {
    const [version = '', what = '', atMs] = line.split(' ');
    return { version, what, atMs: Number(atMs) };
  });
}

/** How many apps were down at the worst moment between their first start and now. */
function mostDown(notes: readonly (readonly Note[])[]): number {
  // Each is up once before anything is counted.
  const changes = notes.flatMap((ofHost) => ofHost.slice(1));
  // At one millisecond, who comes up is counted first.
  changes.sort(
    (one, other) =>
      one.atMs - other.atMs || Number(one.what === 'down') - Number(other.what === 'down'),
  );
  let down = 0;
  let most = 0;
  for (const { what } of changes) {
    down += what === 'down' ? 1 : -1;
    most = Math.max(most, down);
  }
  return most;
}

test('a release goes over twelve hosts in waves, while a tracker and the leader of etcd are killed', async () => {
  directory = await temporaryDirectory();
  const cluster = await EtcdCluster.forTest(3);
  const store = `etcd://${cluster.hosts.join(',')}`;
  await resultOf('seeder', ['keys', 'init', '--keys', at('keys')]);
  await resultOf('tracker', ['fleet', 'init', '--dir', at('t1')]);
  for (const name of ['t2', 't3']) {
    await mkdir(at(name), { recursive: true });
    await copyFile(at('t1', 'fleet.key'), at(name, 'fleet.key'));
  }
  const trackers = [
    await startTracker('t1', store),
    await startTracker('t2', store),
    await startTracker('t3', store),
  ] as const;
  const urls = trackers.flatMap(({ url }) => ['--tracker', url]);
  const [first, second] = [await bake('1'), await bake('2')];
  const [{ operator }] = trackers;
  const tokenFor = async (...grant: readonly string[]): Promise<string> =>
    String((await resultOf('tracker', ['token', 'create', ...grant, ...operator])).token);

  const publish = ['--keys', at('keys'), '--store', at('store'), ...operator];
  await resultOf('seeder', ['release', 'web', 'stable', first, ...publish]);
  const seeding = ['--store', at('store'), '--identity', at('seeder.key'), '--app', 'web'];
  const join = ['--join', await tokenFor('--role', 'seeder', '--app', '*'), '--host', '127.0.0.1'];
  const seeder = start('seeder', ['seed', ...seeding, ...join, ...urls]);
  await seeder.untilEvent('seeding');

  const hosts: RunningProgram[] = [];
  for (let host = 0; host < hostCount; host++) {
    const follow = ['--follow', 'web/stable', '--root', at('keys', 'root.json')];
    const own = ['--dir', at(`host-${host}`), '--host', '127.0.0.1', '--threads', '0'];
    const told = ['--supply', `OUT=${at(`told-${host}`)}`];
    const token = ['--join', await tokenFor('--app', 'web', '--label', `rack=r${host % 3}`)];
    hosts.push(start('fetcher', ['run', ...urls, ...follow, ...own, ...told, ...token]));
  }
  await Promise.all(hosts.map((host) => host.untilEvent('active')));

  const plan = ['--rollout', 'waves=1,25%,100%', '--max-unavailable', `${limit}`, '--gate', '1s'];
  await resultOf('seeder', ['release', 'web', 'stable', second, ...plan, ...publish]);
  const isSecond = ({ event, release }: ProgramEvent) =>
    event === 'active' && (release as JsonObject).imageId === second;
  await Promise.race(
    hosts.map((host) => host.until('that the second release is active', isSecond)),
  );
  // In the middle: most hosts have yet to move.
  await Promise.all([trackers[0].program.end('SIGKILL'), (await cluster.leader()).kill()]);
  await Promise.all(hosts.map((host) => host.until('that the second release is active', isSecond)));

  const notes = await Promise.all(hosts.map((_, host) => notesOf(host)));
  for (const ofHost of notes) {
    const said = ofHost.map(({ version, what }) => `${version} ${what}`);
    expect(said).toEqual(['1 up', '1 down', '2 up']);
  }
  expect(mostDown(notes)).toBeGreaterThan(0);
  expect(mostDown(notes)).toBeLessThanOrEqual(limit);
  await eventually('the rollout is done', async () => {
    const { rollouts } = await resultOf('tracker', ['rollout', 'list', ...trackers[1].operator]);
    const [rollout] = rollouts as JsonObject[];
    return rollout?.phase === 'done' ? true : undefined;
  });
  await resultOf('tracker', ['audit', 'verify', '--store', store]);
});
