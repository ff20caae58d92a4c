import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatJoinToken, parseJoinToken } from '../../src/control/index.ts';
import { CuttingProxy } from '../interop/cutting-proxy.ts';
import { eventually } from '../tools/eventually.ts';
import { freePort } from '../tools/free-port.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { resultOf, type JsonObject, type ProgramName } from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';

/** Tells in a file which version it is, and what DB is. */
const app = `
import { appendFileSync, readFileSync } from 'node:fs';
import { connectSettings } from ${JSON.stringify(new URL('../../src/api/settings-client.ts', import.meta.url).href)};
const { version } = JSON.parse(readFileSync('release.json', 'utf8'));
const settings = await connectSettings();
const tell = () => appendFileSync(settings.get('OUT'), version + ' ' + settings.get('DB') + '\\n');
tell();
settings.onChange(tell);
`;

let directory: string;
const at = (...names: string[]) => join(directory, ...names);

function start(program: ProgramName, args: readonly string[]): RunningProgram {
  const running = new RunningProgram(program, args);
  onTestFinished(() => running[Symbol.asyncDispose]());
  return running;
}

/** A tracker of a new fleet, and how an operator calls it. */
async function startTracker(controlPort: number, announced: string) {
  await resultOf('seeder', ['keys', 'init', '--keys', at('keys')]);
  await resultOf('tracker', ['fleet', 'init', '--dir', at('tracker')]);
  const ports = ['--port', '0', '--no-udp', '--control-port', String(controlPort)];
  const own = ['--dir', at('tracker'), '--root', at('keys', 'root.json')];
  const told = ['--control-announce', multiaddrOf(announced)];
  const tracker = start('tracker', ['serve', ...own, ...ports, ...told]);
  const { url, tokenPath } = await tracker.untilEvent('listening');
  const operator = ['--tracker', String(url), '--token-file', String(tokenPath)];
  const operate = (...args: readonly string[]) => resultOf('tracker', [...args, ...operator]);
  const newToken = async (...grant: readonly string[]): Promise<string> =>
    String((await operate('token', 'create', ...grant)).token);
  return { url: String(url), operator, operate, newToken };
}

async function bake(version: string): Promise<string> {
  const tree = at(`tree-${version}`);
  await mkdir(join(tree, '.starling'), { recursive: true });
  await writeFile(join(tree, 'app.mjs'), app);
  await writeFile(join(tree, 'release.json'), JSON.stringify({ version }));
  const manifest = {
    ...{ name: 'web', version, kind: 'tree', start: [process.execPath, 'app.mjs'] },
    needs: { DB: { type: 'endpoint' }, OUT: { type: 'string' } },
  };
  await writeFile(join(tree, '.starling', 'image.json'), JSON.stringify(manifest));
  return String((await resultOf('seeder', ['bake', tree, '--store', at('store')])).id);
}

/** Whether there is a connection of TCP, on this machine, with one of these ports. */
async function isConnectedTo(ports: readonly number[]): Promise<true | undefined> {
  const established = '01';
  for (const line of (await readFile('/proc/net/tcp', 'utf8')).split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const port = Number.parseInt(local.split(':')[1] ?? '', 16);
    if (state === established && ports.includes(port)) return true;
  }
  return undefined;
}

test('a host hears of a release from other hosts while it has no session, and of settings when it has one again', async () => {
  directory = await temporaryDirectory();
  // Hosts are told an address that can be cut off from the tracker's control plane; its HTTP is still there then.
  const controlPort = await freePort();
  const direct = `127.0.0.1:${controlPort}`;
  const proxy = await CuttingProxy.start(direct);
  const tracker = await startTracker(controlPort, proxy.address);
  const { operate, newToken } = tracker;
  const publish = ['--keys', at('keys'), '--store', at('store'), ...tracker.operator];
  const release = (imageId: string) =>
    resultOf('seeder', ['release', 'web', 'stable', imageId, ...publish]);
  const [first, second] = [await bake('1'), await bake('2')];
  await release(first);
  await operate('endpoint', 'set', 'web', 'DB', 'db-1:1');
  const seeding = ['--store', at('store'), '--identity', at('seeder.key'), '--app', 'web'];
  const where = ['--tracker', tracker.url, '--host', '127.0.0.1'];
  const seederToken = await newToken('--role', 'seeder', '--app', '*');
  const seeder = start('seeder', ['seed', ...seeding, '--join', seederToken, ...where]);
  await seeder.untilEvent('seeding');

  const controlPorts = [await freePort(), await freePort()];
  const tokens = [detour(await newToken('--app', 'web'), direct), await newToken('--app', 'web')];
  const [other, cut] = ['other', 'cut'].map((name, index) =>
    start('fetcher', [
      ...['run', '--root', at('keys', 'root.json'), '--follow', 'web/stable', '--dir', at(name)],
      // It looks by itself when the test is long over.
      ...['--poll', '1h', '--supply', `OUT=${at(`${name}.told`)}`],
      ...['--join', tokens[index] ?? '', '--control-port', String(controlPorts[index])],
      ...where,
    ]),
  ) as [RunningProgram, RunningProgram];
  await Promise.all([other.untilEvent('active'), cut.untilEvent('active')]);
  await eventually('the hosts know each other', () => isConnectedTo(controlPorts));

  const before = cut.events.length;
  proxy.isDown = true;
  const isAlone = ({ event, connected }: ProgramEvent) => event === 'fleet' && connected === false;
  await cut.until('that it has no session', isAlone, { after: before });
  await release(second);
  const isSecond = ({ event, release: one }: ProgramEvent) =>
    event === 'active' && (one as JsonObject).imageId === second;
  await Promise.all([other, cut].map((host) => host.until('that version 2 is active', isSecond)));
  expect(cut.events.findLast(({ event }) => event === 'fleet')).toMatchObject({ connected: false });

  await operate('endpoint', 'set', 'web', 'DB', 'db-2:2');
  await untilTold('other', '2 db-2:2');
  expect(await readFile(at('cut.told'), 'utf8')).not.toContain('db-2');
  proxy.isDown = false;
  await untilTold('cut', '2 db-2:2');
});

/** The same token, whose tracker is reached at another address. Who is there, it says as before. */
function detour(text: string, address: string): string {
  const token = parseJoinToken(text);
  const trackers = token.trackers.map((tracker) =>
    tracker.replace(/^.*(?=\/p2p\/)/, multiaddrOf(address)),
  );
  return formatJoinToken({ ...token, trackers });
}

function multiaddrOf(address: string): string {
  const [host, port] = address.split(':');
  return `/ip4/${host}/tcp/${port}`;
}

const untilTold = (name: string, line: string): Promise<true> =>
  eventually(`${name} is told ${line}`, async () =>
    (await readFile(at(`${name}.told`), 'utf8')).includes(line) ? true : undefined,
  );
