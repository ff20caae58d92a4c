import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import {
  binOf,
  checkout,
  testEnvironment,
  failureOf,
  jsonOf,
  programNames,
  resultOf,
  runProgram,
  runCommand,
  type ProgramName,
} from './ended-program.ts';
import { RunningProgram } from './running-program.ts';
import { freePort, TestFleet } from './test-fleet.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';

const commands: readonly (readonly [program: ProgramName, ...command: string[]])[] = [
  ['seeder'],
  ['seeder', 'bake'],
  ['seeder', 'inspect'],
  ['seeder', 'seed'],
  ['seeder', 'release'],
  ['seeder', 'keys'],
  ['seeder', 'keys', 'init'],
  ['seeder', 'keys', 'create'],
  ['seeder', 'keys', 'renew'],
  ['seeder', 'keys', 'delegate'],
  ['seeder', 'keys', 'undelegate'],
  ['seeder', 'keys', 'rotate'],
  ['seeder', 'keys', 'sign'],
  ['seeder', 'keys', 'push'],
  ['seeder', 'preheat'],
  ['seeder', 'identity'],
  ['seeder', 'torrent'],
  ['seeder', 'gateway'],
  ['tracker'],
  ['tracker', 'serve'],
  ['tracker', 'operator'],
  ['tracker', 'operator', 'create'],
  ['tracker', 'operator', 'list'],
  ['tracker', 'operator', 'revoke'],
  ['tracker', 'fleet'],
  ['tracker', 'fleet', 'init'],
  ['tracker', 'fleet', 'credential'],
  ['tracker', 'fleet', 'revoke'],
  ['tracker', 'online-key'],
  ['tracker', 'audit'],
  ['tracker', 'audit', 'verify'],
  ['tracker', 'audit', 'list'],
  ['tracker', 'token'],
  ['tracker', 'token', 'create'],
  ['tracker', 'token', 'list'],
  ['tracker', 'token', 'remove'],
  ['tracker', 'member'],
  ['tracker', 'member', 'invite'],
  ['tracker', 'member', 'list'],
  ['tracker', 'member', 'approve'],
  ['tracker', 'member', 'revoke'],
  ['tracker', 'member', 'remove'],
  ['tracker', 'endpoint'],
  ['tracker', 'endpoint', 'set'],
  ['tracker', 'endpoint', 'remove'],
  ['tracker', 'endpoint', 'list'],
  ['tracker', 'rollout'],
  ['tracker', 'rollout', 'list'],
  ['tracker', 'rollout', 'show'],
  ['tracker', 'rollout', 'pause'],
  ['tracker', 'rollout', 'resume'],
  ['tracker', 'rollout', 'abort'],
  ['tracker', 'rollout', 'promote'],
  ['tracker', 'rollout', 'retry'],
  ['tracker', 'host'],
  ['tracker', 'host', 'pin'],
  ['tracker', 'host', 'hold'],
  ['tracker', 'host', 'free'],
  ['fetcher'],
  ['fetcher', 'run'],
  ['fetcher', 'fetch'],
  ['fetcher', 'status'],
  ['fetcher', 'limits'],
  ['fetcher', 'settings'],
  ['fetcher', 'generations'],
  ['fetcher', 'rollback'],
  ['fetcher', 'identity'],
];

/** An id of the right form that no store has. */
const unknownId = 'baf5reigju4du5weyvpvpcmbj56yemtlhcbec33fxafwkdr376wlm3ag5cy';

async function bakeSmall(directory: string): Promise<Record<string, unknown>> {
  await writeTree(join(directory, 'tree'), { 'hello.txt': 'hello', 'bin/run': 'x' });
  const names = ['--name', 'small', '--version', '1.0.0'];
  const store = ['--store', join(directory, 'store')];
  return resultOf('seeder', ['bake', join(directory, 'tree'), ...names, ...store]);
}

describe('help and version', () => {
  test.each(commands.map((command) => [command] as const))(
    '%j --help shows an example',
    async (whole) => {
      const [program, ...command] = whole;
      const { code, stdout } = await runProgram(program, [...command, '--help']);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^Usage: /);
      expect(stdout).toMatch(new RegExp(`^Examples?:\\n {2}${program} `, 'm'));
    },
  );

  test('the commands above are all there are', async () => {
    for (const [program, ...command] of commands) {
      const { stdout } = await runProgram(program, [...command, '--help']);
      const listed = stdout.split(/^Commands:$/m)[1]?.split('\n\n')[0] ?? '';
      const names = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name);
      for (const name of names.filter((other) => other !== 'help')) {
        expect(commands).toContainEqual([program, ...command, name]);
      }
    }
  });

  test('no flag of any command turns verification off', async () => {
    for (const [program, ...command] of commands) {
      const { stdout } = await runProgram(program, [...command, '--help']);
      const flags = [...stdout.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => flag);
      expect(flags).toContain('--help');
      expect(flags.filter((flag) => /verif|check|insecure|skip|trust|force/.test(flag))).toEqual(
        [],
      );
    }
  });

  test.each(programNames)('%s --version is that of the package', async (program) => {
    const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as {
      version: string;
    };
    const { code, stdout } = await runProgram(program, ['--version']);
    expect([code, stdout]).toEqual([0, `${version}\n`]);
  });

  test.each(['.', 'src/image'])('npx finds the programs from %s', async (folder) => {
    for (const program of programNames) {
      const cwd = join(checkout, folder);
      const run = await runCommand('npx', ['--no-install', program, '--version'], { cwd });
      expect([run.code, run.stdout]).toEqual([0, '0.1.0\n']);
    }
  });

  test('an older Node goes on in the one that is installed with the package', async (context) => {
    const older = olderNode();
    if (older === undefined) return context.skip('no Node older than 24 is on this machine');
    for (const program of programNames) {
      const run = await runCommand(older, [binOf(program), '--version']);
      expect([run.code, run.stdout]).toEqual([0, '0.1.0\n']);
    }
    // Exit codes and the shebang come through, too.
    const env = { PATH: `${join(older, '..')}:/usr/bin:/bin` };
    const refused = await runCommand(binOf('seeder'), ['inspect', 'nothing', '--json'], { env });
    expect(refused.code).toBe(2);
    expect(jsonOf(refused)).toMatchObject({ error: { code: 'IMAGE_ID' } });
  });

  test('an older Node hands SIGTERM on', async (context) => {
    const older = olderNode();
    if (older === undefined) return context.skip('no Node older than 24 is on this machine');
    const directory = await temporaryDirectory();
    await bakeSmall(directory);
    const args = ['seed', '--open', '--store', join(directory, 'store'), '--host', '127.0.0.1'];
    const child = spawn(older, [binOf('seeder'), ...args, '--json'], { env: testEnvironment() });
    const said = text(child.stdout);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    expect(await once(child, 'close')).toEqual([0, null]);
    expect((await said).trim().split('\n').at(-1)).toContain('"event":"ended"');
  });
});

/** A Node before 24 on this machine. */
function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(':').filter((at) => !at.includes('node_modules'));
  return ['/usr/bin', ...folders]
    .map((folder) => join(folder, 'node'))
    .find((node) => {
      try {
        const version = execFileSync(node, ['--version'], { encoding: 'utf8', stdio: 'pipe' });
        return Number(/^v(\d+)/.exec(version)?.[1] ?? 24) < 24;
      } catch {
        return false;
      }
    });
}

describe('seeder bake', () => {
  test('says what scripts need, and keeps the metainfo under the id', async () => {
    const directory = await temporaryDirectory();
    const baked = await bakeSmall(directory);
    expect(baked).toMatchObject({
      id: expect.stringMatching(/^b[a-z2-7]+$/) as string,
      infoHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      bytes: expect.any(Number) as number,
      files: 3,
      pieceSizeBytes: 65_536,
    });
    const kept = await readdir(join(directory, 'store'), { recursive: true });
    expect(kept.filter((path) => path.endsWith(`/${String(baked.id)}.torrent`))).toHaveLength(1);
  });

  test('gives the same id again, and inspect tells the same of it', async () => {
    const directory = await temporaryDirectory();
    const first = await bakeSmall(directory);
    const second = await bakeSmall(directory);
    expect(second).toEqual(first);
    const id = String(first.id);
    const store = join(directory, 'store');
    expect(await resultOf('seeder', ['inspect', id, '--store', store])).toEqual(first);
    const torrent = join(store, id, `${id}.torrent`);
    const { infoHash, bytes, files, pieceSizeBytes } = first;
    const told = { id, infoHash, bytes, files, pieceSizeBytes };
    expect(await resultOf('seeder', ['inspect', torrent])).toMatchObject(told);
  });
});

describe('exit codes and the last line', () => {
  test('0 and nothing but the result on stdout when it is done', async () => {
    const directory = await temporaryDirectory();
    await writeTree(join(directory, 'tree'), { a: 'a' });
    const args = ['bake', join(directory, 'tree'), '--name', 'a', '--version', '1', '--json'];
    const run = await runProgram('seeder', [...args, '--store', join(directory, 'store')]);
    expect(run.code).toBe(0);
    expect(run.lines).toHaveLength(1);
    expect(run.stderr).toContain('baking');
  });

  test('1 for an image that is not here', async () => {
    const store = await temporaryDirectory();
    const failure = await failureOf('seeder', ['inspect', unknownId, '--store', store]);
    expect(failure).toMatchObject({ exit: 1, code: 'IMAGE_UNKNOWN' });
    expect(failure.message).toContain(unknownId);
  });

  test('1 for a tracker that is not there', async () => {
    const directory = await temporaryDirectory();
    const keys = join(directory, 'keys');
    await resultOf('seeder', ['keys', 'init', '--keys', keys]);
    const { id } = await bakeSmall(directory);
    const url = `http://127.0.0.1:${await freePort()}`;
    const how = ['--tracker', url, '--keys', keys, '--token-file', join(keys, 'root.json')];
    const what = ['release', 'hello', 'stable', String(id), '--store', join(directory, 'store')];
    const failure = await failureOf('seeder', [...what, ...how]);
    expect(failure).toMatchObject({ exit: 1, code: 'TRACKER_UNREACHABLE' });
    expect(failure.message).toContain(url);
  });

  test.each([
    ['seeder', ['bake']],
    ['seeder', ['bake', '.', '--no-such-flag']],
    ['seeder', ['no-such-command']],
    ['seeder', []],
    ['seeder', ['keys']],
    ['seeder', ['inspect', 'not-an-id']],
    ['tracker', ['serve', '--port', 'many']],
    ['tracker', ['serve', '--log-level', 'loud']],
    ['fetcher', ['run', '--root', '/no/such/root.json', '--follow', 'a/b']],
    ['fetcher', ['run', '--follow', 'a/b']],
    ['fetcher', ['fetch', unknownId]],
    ['fetcher', ['fetch', unknownId, '--peer', '127.0.0.1:1']],
  ] as const)('2 for %s %j', async (program, args) => {
    const cwd = await temporaryDirectory();
    const failure = await failureOf(program, args, { cwd });
    expect(failure.exit).toBe(2);
    expect(failure.code).toMatch(/^[A-Z]+(_[A-Z]+)+$/);
    expect(failure.message).not.toMatch(/undefined|\n/);
  });

  test('4 when the deadline passes before it is done', async () => {
    const directory = await temporaryDirectory();
    const how = ['--open', '--peer', '127.0.0.1:1', '--deadline', '500ms', '--dir', directory];
    const failure = await failureOf('fetcher', ['fetch', unknownId, ...how]);
    expect(failure).toMatchObject({ exit: 4, code: 'DEADLINE_PASSED' });
  });
});

describe('what a shell may do', () => {
  test('NO_COLOR, and a pipe, keep colours out', async () => {
    const plain = await runProgram('seeder', ['inspect', 'nothing'], { env: { NO_COLOR: '1' } });
    expect(plain.stderr).toMatch(/^error: /);
    const forced = { NO_COLOR: undefined, FORCE_COLOR: '1' };
    const coloured = await runProgram('seeder', ['inspect', 'nothing'], { env: forced });
    expect(coloured.stderr).toContain('\u001b[');
    const piped = await runProgram('seeder', ['inspect', 'nothing']);
    expect(piped.stderr).not.toContain('\u001b[');
  });

  test('a reader that goes away after one line is no failure', async () => {
    const directory = await temporaryDirectory();
    const { id } = await bakeSmall(directory);
    const quote = (words: readonly string[]) => words.map((word) => `'${word}'`).join(' ');
    for (const args of [
      ['inspect', String(id), '--store', join(directory, 'store')],
      ['bake', '--help'],
    ]) {
      const command = `${quote([process.execPath, binOf('seeder'), ...args])} | head -n 1`;
      const run = await runCommand('bash', ['-o', 'pipefail', '-c', command]);
      expect(run).toMatchObject({ code: 0, stderr: '' });
      expect(run.lines).toHaveLength(1);
    }
  });

  test('variables stand for flags, and flags win', async () => {
    const directory = await temporaryDirectory();
    const { id } = await bakeSmall(directory);
    const env = { STARLING_STORE: join(directory, 'store'), STARLING_JSON: '1' };
    const run = await runProgram('seeder', ['inspect', String(id)], { env });
    expect(jsonOf(run)).toMatchObject({ id });
    const flagged = await runProgram('seeder', ['inspect', String(id), '--store', directory], {
      env,
    });
    expect(jsonOf(flagged)).toMatchObject({ error: { code: 'IMAGE_UNKNOWN' } });
    const wrong = await runProgram('seeder', ['inspect'], { env });
    expect(jsonOf(wrong)).toHaveProperty('error.code', 'CONFIG_INVALID');
  });

  test('a fetcher is set up by variables alone', async () => {
    const fleet = await TestFleet.start();
    const directory = join(fleet.directory, 'host');
    const env = {
      STARLING_TRACKER: fleet.url,
      STARLING_ROOT: fleet.root,
      STARLING_FOLLOW: 'hello/stable',
      STARLING_DIR: directory,
      STARLING_HOST: '127.0.0.1',
      STARLING_MEMBERS: fleet.members,
      STARLING_POLL: '200ms',
    };
    await using fetcher = new RunningProgram('fetcher', ['run'], { env });
    expect(await fetcher.untilEvent('running')).toMatchObject({ directory });
    const status = await resultOf('fetcher', ['status'], { env });
    expect(status).toMatchObject({ running: true, channels: [{ app: 'hello' }] });
  });
});

describe('SIGTERM', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('tracker serve ends well by %s', async (signal) => {
    const fleet = await TestFleet.start();
    expect(await fleet.tracker.end(signal)).toBe(0);
    expect(fleet.tracker.events.at(-1)).toMatchObject({ event: 'ended' });
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('seeder seed ends well by %s', async (signal) => {
    const directory = await temporaryDirectory();
    await bakeSmall(directory);
    const args = ['seed', '--open', '--store', join(directory, 'store'), '--host', '127.0.0.1'];
    await using seeder = new RunningProgram('seeder', args);
    await seeder.untilEvent('seeding');
    expect(await seeder.end(signal)).toBe(0);
    expect(seeder.events.at(-1)).toMatchObject({ event: 'ended', sentBytes: 0 });
  });

  test('a program that is ended while it starts has ended well, too', async () => {
    const fleet = await TestFleet.start();
    const common = ['--dir', join(fleet.directory, 'early'), '--root', fleet.root, '--port', '0'];
    for (const [program, args] of [
      ['tracker', ['serve', ...common]],
      ['fetcher', ['run', ...common, '--open', '--tracker', fleet.url, '--follow', 'a/b']],
    ] as const) {
      const command = [binOf(program), ...args, '--json'];
      const child = spawn(process.execPath, command, { env: testEnvironment() });
      const said = text(child.stdout);
      await once(child.stderr, 'data');
      child.kill('SIGTERM');
      expect(await once(child, 'close')).toEqual([0, null]);
      expect((await said).trim().split('\n').at(-1)).toContain('"event":"ended"');
    }
  });

  test('fetcher run ends well, with its application and its socket', async () => {
    const fleet = await TestFleet.start();
    const image = await fleet.bake('1.0.0');
    await fleet.seed();
    await fleet.release(image);
    const host = await fleet.follow('host');
    await host.fetcher.untilEvent('active');
    const socket = join(host.directory, 'fetcher.sock');
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    const status = await resultOf('fetcher', ['status', '--dir', host.directory]);
    const [{ activation }] = status.channels as [{ activation: { pid: number } }];
    await access(`/proc/${activation.pid}`);
    expect(await host.fetcher.end()).toBe(0);
    expect(host.fetcher.events.at(-1)).toEqual({ event: 'ended' });
    await expect(access(socket)).rejects.toThrow('ENOENT');
    await expect(access(`/proc/${activation.pid}`)).rejects.toThrow('ENOENT');
    expect(await processesOf(host.directory)).toEqual([]);
  });

  test('a second fetcher is kept out of the directory of the first', async () => {
    const fleet = await TestFleet.start();
    const host = await fleet.follow('host');
    const failure = await failureOf('fetcher', host.args);
    expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_IN_USE' });
    const fetching = ['fetch', unknownId, '--peer', '127.0.0.1:1', '--dir', host.directory];
    expect(await failureOf('fetcher', fetching)).toMatchObject({ code: 'CONFIG_IN_USE' });
  });
});

/** The processes that work in a directory. */
async function processesOf(directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const run = await runCommand('find', [
    '/proc',
    '-maxdepth',
    '2',
    '-name',
    'cwd',
    '-printf',
    '%l\n',
  ]);
  return run.lines.filter((path) => path.startsWith(directory));
}
