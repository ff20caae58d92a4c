import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export const checkout = join(import.meta.dirname, '..', '..');

export type ProgramName = 'seeder' | 'tracker' | 'fetcher';

export const programNames: readonly ProgramName[] = ['seeder', 'tracker', 'fetcher'];

export const binOf = (program: ProgramName): string => join(checkout, program, 'bin.js');

export type JsonObject = Record<string, unknown>;

/** What a program said until it ended. */
export interface ProgramRun {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout. */
  readonly lines: readonly string[];
}

export interface RunInit {
  /** Beside what the test itself has; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** The environment of a program under test: ours, without settings of Starling and of colour. */
export function testEnvironment(more: RunInit['env'] = {}): NodeJS.ProcessEnv {
  const foreign = (name: string) => /^STARLING_|^NO_COLOR$|^FORCE_COLOR$/.test(name);
  const own = Object.entries(process.env).filter(([name]) => !foreign(name));
  return { ...Object.fromEntries(own), ...more };
}

/** Runs any command to its end. */
export async function runCommand(
  command: string,
  args: readonly string[],
  init: RunInit = {},
): Promise<ProgramRun> {
  const child = spawn(command, args, {
    cwd: init.cwd,
    env: testEnvironment(init.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  const [stdout, stderr] = await said;
  return { code, stdout, stderr, lines: stdout.split('\n').filter((line) => line !== '') };
}

/** Runs one of our programs to its end, as a process of its own. */
export const runProgram = (
  program: ProgramName,
  args: readonly string[],
  init: RunInit = {},
): Promise<ProgramRun> => runCommand(process.execPath, [binOf(program), ...args], init);

/** The one JSON object that scripts rely on: the last line on stdout. @throws when it is none */
export function jsonOf(run: ProgramRun): JsonObject {
  const last = run.stdout.endsWith('\n') ? run.lines.at(-1) : undefined;
  const value: unknown = last === undefined ? undefined : JSON.parse(last);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject;
  }
  throw new Error(`the last line is no JSON object: "${run.stdout}"\n${run.stderr}`);
}

/** Runs one of our programs with `--json` to an end that must be a good one. */
export async function resultOf(
  program: ProgramName,
  args: readonly string[],
  init: RunInit = {},
): Promise<JsonObject> {
  const run = await runProgram(program, [...args, '--json'], init);
  if (run.code === 0) return jsonOf(run);
  throw new Error(`${program} ${args.join(' ')} ended with ${run.code}:\n${run.stderr}`);
}

export interface Failure {
  readonly exit: number | null;
  readonly code: string;
  readonly message: string;
}

/** Runs one of our programs with `--json` to an end that must be a bad one; says how it was bad. */
export async function failureOf(
  program: ProgramName,
  args: readonly string[],
  init: RunInit = {},
): Promise<Failure> {
  const run = await runProgram(program, [...args, '--json'], init);
  const { error } = jsonOf(run) as { error?: { code: string; message: string } };
  if (error === undefined) throw new Error(`${program} did not fail: ${run.stdout}`);
  return { exit: run.code, ...error };
}
