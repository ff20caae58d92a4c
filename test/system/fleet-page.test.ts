import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { writeTree } from '../tools/tree-sketch.ts';
import {
  binOf,
  checkout,
  failureOf,
  programNames,
  runCommand,
  type ProgramName,
} from './ended-program.ts';
import { RunningProgram, type ProgramEvent } from './running-program.ts';
import { freePort } from './test-fleet.ts';

/** The commands of docs/fleet.md, step by step: one each, as they are printed. */
let commands: readonly string[];

beforeAll(async () => {
  const page = await readFile(join(checkout, 'docs', 'fleet.md'), 'utf8');
  const section = page.split('## Step by step\n')[1]?.split('\n## ')[0] ?? '';
  const printed = section.split('\n').filter((line) => line.startsWith('    '));
  commands = printed
    .map((line) => line.slice(4))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
});

/** What says that those are ready that run until they are ended. */
const ready: ReadonlyMap<string, string> = new Map([
  ['tracker serve', 'listening'],
  ['seeder seed', 'seeding'],
  ['fetcher run', 'running'],
]);

/** A machine on which a person types what a page says, in one folder, with our programs at hand. */
class Operator {
  readonly directory: string;
  readonly #ports: readonly [tracker: number, control: number];
  readonly #variables = new Map<string, string>();
  image = '';

  private constructor(directory: string, ports: readonly [number, number]) {
    this.directory = directory;
    this.#ports = ports;
  }

  static async open(): Promise<Operator> {
    const operator = new Operator(await temporaryDirectory(), [await freePort(), await freePort()]);
    for (const program of programNames) {
      const path = join(operator.directory, 'bin', program);
      await mkdir(join(operator.directory, 'bin'), { recursive: true });
      await writeFile(path, `#!/bin/sh\nexec '${process.execPath}' '${binOf(program)}' "$@"\n`);
      await chmod(path, 0o755);
    }
    return operator;
  }

  get #env(): Record<string, string> {
    return {
      ...Object.fromEntries(this.#variables),
      PATH: `${join(this.directory, 'bin')}:${process.env.PATH ?? ''}`,
      XDG_DATA_HOME: join(this.directory, 'data'),
    };
  }

  /** Runs one command to its end, or until it is ready. */
  async type(printed: string, folder = '.'): Promise<RunningProgram | undefined> {
    const command = printed
      .replaceAll('10.0.0.1:7070', `127.0.0.1:${this.#ports[0]}`)
      .replaceAll('10.0.0.1', '127.0.0.1')
      .replaceAll('IMAGE', this.image);
    const how = { cwd: join(this.directory, folder), env: this.#env };
    const name = command.split(' ').slice(0, 2).join(' ');
    const readyEvent = ready.get(name);
    if (readyEvent !== undefined) {
      const [program, ...args] = await words(command, how);
      const ports = ['--port', String(this.#ports[0]), '--control-port', String(this.#ports[1])];
      const more = name === 'tracker serve' ? [...ports, '--no-udp'] : [];
      const running = new RunningProgram(program as ProgramName, [...args, ...more], how);
      onTestFinished(() => running[Symbol.asyncDispose]());
      await running.untilEvent(readyEvent);
      return running;
    }
    if (command.startsWith('export ')) {
      for (const word of (await words(command, how)).slice(1)) {
        this.#variables.set(...(word.split(/=(.*)/s, 2) as [string, string]));
      }
      return undefined;
    }
    const { code, stdout, stderr } = await runCommand('sh', ['-c', command], how);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stdout}${stderr}`);
    this.image = /\bbaf[a-z2-7]{50,}/.exec(stdout)?.[0] ?? this.image;
    return undefined;
  }
}

/** The words of a command as a shell makes them. */
async function words(command: string, how: Parameters<typeof runCommand>[2]): Promise<string[]> {
  const script = `set -- ${command}; printf '%s\\0' "$@"`;
  return (await runCommand('sh', ['-c', script], how)).stdout.split('\0').slice(0, -1);
}

test('a fleet that was made as the page says, over TLS, runs what was released', async () => {
  const operator = await Operator.open();
  const app = { start: [process.execPath, 'app.mjs'], needs: { DB: { type: 'endpoint' } } };
  await writeTree(join(operator.directory, 'shop'), {
    'app.mjs': 'setInterval(() => undefined, 1_000);\n',
    '.starling/image.json': JSON.stringify({ kind: 'tree', ...app }),
  });
  await mkdir(join(operator.directory, 'host'));
  let fetcher: RunningProgram | undefined;
  for (const command of commands) {
    const isHost = command.startsWith('fetcher ');
    if (isHost) {
      for (const file of ['keys/root.json', 'tracker.crt', 'host.token']) {
        const name = file.split('/').at(-1) ?? file;
        await copyFile(join(operator.directory, file), join(operator.directory, 'host', name));
      }
    }
    const running = await operator.type(command, isHost ? 'host' : '.');
    if (isHost) fetcher = running;
  }
  const here = ['--dir', join(operator.directory, 'tracker-data')];
  expect(await failureOf('tracker', ['operator', 'create', 'bob', ...here])).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('--tracker') as string,
  });
  const isActive = ({ event, release }: ProgramEvent) =>
    event === 'active' && (release as { imageId?: string } | undefined)?.imageId === operator.image;
  expect(await fetcher?.until('its image is active', isActive)).toBeDefined();
});
