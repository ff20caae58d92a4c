import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { ProcessRecord } from '../../../fetcher/process-record.ts';
import { endStaleProcesses, writeProcessRecord } from '../../../fetcher/process-record.ts';
import { readBootId, readProcessStat } from '../../../fetcher/process-table.ts';
import { lives, makePlace } from './fixture.ts';

/** A process that leads its own group, and a record that fits it. */
async function startProcess(
  environment: Record<string, string> = {},
): Promise<{ pid: number; directory: string; record: ProcessRecord }> {
  const { directory } = await makePlace();
  await mkdir(directory, { recursive: true });
  const child = spawn('sleep', ['1000'], {
    detached: true,
    stdio: 'ignore',
    env: { PATH: process.env.PATH ?? '', ...environment },
  });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const startTime = (await readProcessStat(pid))?.startTime ?? 0;
  const record: ProcessRecord = {
    pid,
    startTime,
    bootId: await readBootId(),
    run: randomUUID(),
    generation: 3,
    stopSignal: 'SIGTERM',
    graceMs: 5_000,
  };
  return { pid, directory, record };
}

test('the process of the record is ended, and the record is removed', async () => {
  const { pid, directory, record } = await startProcess();
  await writeProcessRecord(directory, record);
  expect(await endStaleProcesses(directory)).toEqual({ generation: 3, left: [] });
  expect(await lives(pid)).toBe(false);
  expect(await readdir(directory)).toEqual([]);
  expect(await endStaleProcesses(directory)).toBeUndefined();
});

test('another process that was given the same pid is left alone', async () => {
  const { pid, directory, record } = await startProcess();
  await writeProcessRecord(directory, { ...record, startTime: record.startTime - 1 });
  expect(await endStaleProcesses(directory)).toBeUndefined();
  expect(await lives(pid)).toBe(true);
  expect(await readdir(directory)).toEqual([]);
});

test('a record of another boot names no process', async () => {
  const { pid, directory, record } = await startProcess();
  await writeProcessRecord(directory, { ...record, bootId: randomUUID() });
  expect(await endStaleProcesses(directory)).toBeUndefined();
  expect(await lives(pid)).toBe(true);
});

test('a process that carries the name of the run is ended although its leader is gone', async () => {
  const run = randomUUID();
  const { pid, directory, record } = await startProcess({ STARLING_RUN: run });
  // No process has so high a pid: Linux gives at most 2^22.
  await writeProcessRecord(directory, { ...record, pid: 2 ** 22 + 1, run });
  expect(await endStaleProcesses(directory)).toEqual({ generation: 3, left: [] });
  expect(await lives(pid)).toBe(false);
});

test.each(['', '{"pid":', '{"pid":1}', '{"pid":-1,"startTime":0}', 'x'.repeat(100)])(
  'a record that is none is removed: %s',
  async (text) => {
    const { directory } = await makePlace();
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'process.json'), text);
    expect(await endStaleProcesses(directory)).toBeUndefined();
    expect(await readdir(directory)).toEqual([]);
  },
);
