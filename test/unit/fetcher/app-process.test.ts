import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { AppProcess } from '../../../fetcher/app-process.ts';
import type { StopPlan } from '../../../fetcher/launch-plan.ts';
import { OutputLog } from '../../../fetcher/output-log.ts';
import { lives, makePlace, numberIn, processesWith, silent, until } from './fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

async function startScript(
  script: string,
  stop: StopPlan = { signal: 'SIGTERM', graceMs: 10_000 },
): Promise<{ app: AppProcess; root: string; directory: string }> {
  const { root, directory } = await makePlace();
  await mkdir(directory, { recursive: true });
  const app = await AppProcess.start(
    {
      log: silent,
      output: new OutputLog({ path: join(directory, 'output.log'), limitBytes: 1 << 20 }),
    },
    {
      generation: 1,
      program: '/bin/sh',
      arguments: ['-c', script],
      tree: root,
      environment: { PATH: process.env.PATH ?? '', OUT: root },
      stop,
      recordDirectory: directory,
    },
  );
  onTestFinished(() => app.end());
  return { app, root, directory };
}

test('an app gets its stop signal, once, and the time to obey it', async () => {
  const script =
    'trap "echo stopping >> stopped; sleep 0.2; echo stopped >> stopped; exit 0" USR1; echo $$ > ready; while :; do sleep 0.05; done';
  const { app, root } = await startScript(script, { signal: 'SIGUSR1', graceMs: 20_000 });
  await numberIn(join(root, 'ready'));
  await app.end();
  expect(await app.exited).toEqual({ code: 0, signal: null });
  expect(await readFile(join(root, 'stopped'), 'utf8')).toBe('stopping\nstopped\n');
});

test('an app that does not obey its stop signal is killed after its grace', async () => {
  const script = 'trap "" TERM; echo $$ > ready; while :; do sleep 0.05; done';
  const { app, root } = await startScript(script, { signal: 'SIGTERM', graceMs: 100 });
  await numberIn(join(root, 'ready'));
  await app.end();
  expect(await app.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('an app that forks leaves nothing, also not what left its process group', async () => {
  const script = `
    trap "" TERM
    sleep 1000 & echo $! > child
    setsid sh -c 'trap "" TERM; echo $$ > escaped; while :; do sleep 1; done' &
    (sh -c 'sleep 1000 & echo $! > grandchild') &
    echo $$ > ready; wait; while :; do sleep 1; done`;
  const { app, root } = await startScript(script, { signal: 'SIGTERM', graceMs: 100 });
  const names = ['ready', 'child', 'escaped', 'grandchild'];
  const pids = await Promise.all(names.map((name) => numberIn(join(root, name))));
  await app.end();
  for (const pid of pids) expect(await lives(pid)).toBe(false);
});

test('what an app leaves behind when it ends by itself is ended with it', async () => {
  const { app, root } = await startScript('sleep 1000 & echo $! > child; exit 5');
  expect(await app.exited).toEqual({ code: 5, signal: null });
  const child = await numberIn(join(root, 'child'));
  expect(await lives(child)).toBe(true);
  await app.end();
  expect(await lives(child)).toBe(false);
});

test('an app has a record and a guard while it runs, and none after', async () => {
  const { app, directory } = await startScript('exec sleep 1000');
  const record: unknown = JSON.parse(await readFile(join(directory, 'process.json'), 'utf8'));
  expect(record).toMatchObject({ pid: app.pid, generation: 1, stopSignal: 'SIGTERM' });
  expect(await processesWith(`starling-guard ${app.pid} `)).toHaveLength(1);
  await app.end();
  expect(await processesWith(`starling-guard ${app.pid} `)).toEqual([]);
  expect(await readdir(directory)).toEqual(['output.log']);
});

test('an app holds its input and output and nothing of the fetcher', async () => {
  // A shell that has come so far has opened and closed all that it needed to start; the file is
  // written by its child, so that it is not open in the shell itself.
  const script = '(echo $$ > ready); while :; do sleep 1000; done';
  const { app, root, directory } = await startScript(script);
  await numberIn(join(root, 'ready'));
  const output = join(directory, 'output.log');
  const held = await heldBy(app.pid);
  expect(held.slice(0, 3)).toEqual(['/dev/null', output, output]);
  // What who started the tests has left open for all children is not the fetcher's.
  const { root: cwd } = await makePlace();
  const bare = spawn('/bin/sh', ['-c', script], { cwd, stdio: 'ignore', detached: true });
  onTestFinished(() => void process.kill(-(bare.pid ?? 0), 'SIGKILL'));
  await numberIn(join(cwd, 'ready'));
  const inherited = new Set(await heldBy(bare.pid ?? 0));
  expect(held.slice(3).filter((target) => !inherited.has(target))).toEqual([]);
});

/** What a process has open, by its numbers. */
async function heldBy(pid: number): Promise<string[]> {
  const numbers = (await readdir(`/proc/${pid}/fd`)).sort((a, b) => Number(a) - Number(b));
  return await Promise.all(numbers.map((number) => readlink(`/proc/${pid}/fd/${number}`)));
}

test('a guard that is killed is replaced', async () => {
  const { app } = await startScript('exec sleep 1000');
  const pidOfGuard = async (): Promise<number | undefined> => {
    const [line] = await processesWith(`starling-guard ${app.pid} `);
    return line === undefined ? undefined : Number(line.trim().split(' ')[0]);
  };
  const first = await until('there is a guard', pidOfGuard);
  process.kill(first, 'SIGKILL');
  await until('there is another guard', async () => {
    const pid = await pidOfGuard();
    return pid !== undefined && pid !== first;
  });
  await app.end();
  expect(await pidOfGuard()).toBeUndefined();
});

test('an app whose record can not be written is not started', async () => {
  const { root, directory } = await makePlace();
  await mkdir(join(directory, 'process.json.tmp'), { recursive: true });
  await writeFile(join(root, 'unused'), '');
  const starting = AppProcess.start(
    {
      log: silent,
      output: new OutputLog({ path: join(directory, 'output.log'), limitBytes: 1 << 20 }),
    },
    {
      generation: 1,
      program: '/bin/sh',
      arguments: ['-c', 'echo $$ > ran; exec sleep 1000'],
      tree: root,
      environment: { PATH: process.env.PATH ?? '' },
      stop: { signal: 'SIGTERM', graceMs: 1_000 },
      recordDirectory: directory,
    },
  );
  await expect(starting).rejects.toThrow();
  expect(await readdir(root)).not.toContain('ran');
  expect(await processesWith('echo $$ > ran')).toEqual([]);
  await rm(join(directory, 'process.json.tmp'), { recursive: true });
});
