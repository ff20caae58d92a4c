import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { writeMembers } from '../tools/members.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import {
  failureOf,
  resultOf,
  runProgram,
  type Failure,
  type ProgramName,
} from './ended-program.ts';
import { RunningProgram } from './running-program.ts';

/** A host with an image, an identity and a members file, and what its programs need beside those. */
interface Host {
  readonly directory: string;
  readonly members: string;
  readonly identity: string;
  readonly commands: readonly (readonly [program: ProgramName, args: readonly string[]])[];
}

let host: Host;

beforeEach(async () => {
  const directory = await temporaryDirectory();
  const [store, members, identity] = ['store', 'members', 'identity.key'].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await writeTree(join(directory, 'tree'), { a: 'a' });
  const bake = ['bake', join(directory, 'tree'), '--name', 'a', '--version', '1'];
  const { id } = await resultOf('seeder', [...bake, '--store', store]);
  await resultOf('seeder', ['keys', 'init', '--keys', join(directory, 'keys')]);
  await writeMembers(members, [identity]);
  const root = join(directory, 'keys', 'root.json');
  const nobody = ['--tracker', 'http://127.0.0.1:1'];
  const where = ['--host', '127.0.0.1', '--dir'];
  const [running, fetching] = [join(directory, 'running'), join(directory, 'fetching')];
  const commands = [
    ['seeder', ['seed', '--host', '127.0.0.1', '--store', store]],
    ['fetcher', ['run', ...nobody, ...where, running, '--root', root, '--follow', 'a/b']],
    ['fetcher', ['fetch', String(id), ...nobody, ...where, fetching]],
  ] as const;
  host = { directory, members, identity, commands };
});

/** How each program that speaks with peers fails with these arguments. */
async function failures(...args: readonly string[]): Promise<Failure[]> {
  const cwd = host.directory;
  const failed = host.commands.map(([program, own]) =>
    failureOf(program, [...own, ...args], { cwd }),
  );
  return await Promise.all(failed);
}

describe('who belongs', () => {
  test('must be said: nothing is open because nobody said otherwise', async () => {
    for (const failure of await failures()) {
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
      expect(failure.message).toMatch(/--members FILE.*--open/);
    }
  });

  test('stands in --help, with how the identity is told', async () => {
    for (const [program, [command = '']] of host.commands) {
      const { stdout } = await runProgram(program, [command, '--help']);
      for (const option of ['--members', '--identity', '--open', '--open-port', '--threads']) {
        expect(stdout).toContain(option);
      }
    }
  });

  test('a variable that says no opens nothing', async () => {
    for (const [program, args] of host.commands) {
      const failure = await failureOf(program, args, { env: { STARLING_OPEN: '0' } });
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
    }
  });

  test('in a file that is missing is named', async () => {
    const missing = join(host.directory, 'no-members');
    for (const failure of await failures('--members', missing, '--identity', host.identity)) {
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_MISSING' });
      expect(failure.message).toContain(missing);
    }
  });

  test('in a file that is malformed is named by its line', async () => {
    const good = await readFile(host.members, 'utf8');
    await writeFile(host.members, `# our hosts\n${good}\n12D3KooWhost.example.org\n`);
    for (const failure of await failures('--members', host.members, '--identity', host.identity)) {
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
      expect(failure.message).toContain(`${host.members}, line 4: "12D3KooWhost.example.org"`);
    }
  });

  test('is somebody', async () => {
    await writeFile(host.members, '# nobody yet\n');
    for (const failure of await failures('--members', host.members, '--identity', host.identity)) {
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
      expect(failure.message).toContain('names no member');
    }
  });

  test('is not proved by a key that others can read', async () => {
    await chmod(host.identity, 0o640);
    for (const failure of await failures('--members', host.members, '--identity', host.identity)) {
      expect(failure).toMatchObject({ exit: 2, code: 'CONFIG_INVALID' });
      expect(failure.message).toContain(host.identity);
      expect(failure.message).toContain('chmod 600');
    }
  });
});

describe('a port that is taken', () => {
  const sealed = (): string[] => ['--members', host.members, '--identity', host.identity];

  const takenBySomebody = async (): Promise<number> => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
    });
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };

  /** Data threads share a port with each other; no other program may share it with them. */
  const takenByASeeder = async (): Promise<number> => {
    const [, own] = host.commands[0] ?? [];
    const args = [...(own ?? []), ...sealed(), '--threads', '2'];
    const seeder = new RunningProgram('seeder', args);
    onTestFinished(() => seeder[Symbol.asyncDispose]());
    return Number((await seeder.untilEvent('seeding')).port);
  };

  test.each([
    ['somebody', takenBySomebody],
    ['a seeder of ours', takenByASeeder],
  ])('by %s is named, whichever listener wants it', async (_, take) => {
    const port = String(await take());
    for (const args of [
      [...sealed(), '--port', port],
      ['--open', '--port', port],
      [...sealed(), '--open', '--open-port', port],
    ]) {
      for (const failure of await failures(...args)) {
        expect(failure, args.join(' ')).toMatchObject({ exit: 2, code: 'CONFIG_IN_USE' });
        expect(failure.message).toContain(`127.0.0.1:${port}`);
      }
    }
  });
});
