import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { cpuSecondsOfStat, findPython, MeasuredProcess } from '../../../bench/process/index.ts';

const deadlineMs = 20_000;
const { signal } = new AbortController();

/** Computes until it has used so much CPU time, and says how much it has used. */
const burn = (seconds: number) =>
  `import os\nwhile sum(os.times()[:4]) < ${seconds}: sum(range(1000))\nprint(sum(os.times()[:4]), flush=True)`;

const runPython = (code: string, init: { deadlineMs?: number } = {}) =>
  new MeasuredProcess(
    { name: 'the program', command: [findPython(), '-c', code], deadlineMs, ...init },
    { signal },
  );

describe('a measured process', () => {
  test('has used the CPU time that the program itself counted', async () => {
    await using running = runPython(burn(0.4));
    const said = await running.line(z.number(), 'what it used');
    const { cpuSeconds } = await running.succeeded();
    // The program counted in ticks, and went on to end itself.
    expect(cpuSeconds).toBeGreaterThan(said.value - 0.011);
    expect(cpuSeconds).toBeLessThan(said.value + 0.06);
  });

  test('has used the CPU time of the processes that the program started', async () => {
    const nested = `import subprocess, sys\nsubprocess.run([sys.executable, '-c', ${JSON.stringify(burn(0.3))}], check=True)`;
    await using running = runPython(nested);
    expect((await running.succeeded()).cpuSeconds).toBeGreaterThan(0.3);
  });

  test('tells while it runs what it has used so far', async () => {
    const program = `${burn(0.3)}\nimport time; time.sleep(30)`;
    await using running = runPython(program);
    const { value } = await running.line(z.number(), 'what it used');
    const so = await running.cpuSeconds();
    expect(Math.abs(so - value)).toBeLessThan(0.03);
    expect((await running.stop()).cpuSeconds).toBeGreaterThanOrEqual(so - 0.011);
  });

  test('has had in memory at once what the program held', async () => {
    await using running = runPython('import time; held = b"x" * (64 << 20); time.sleep(0.3)');
    const { peakBytes, peakAnonymousBytes } = await running.succeeded();
    for (const bytes of [peakBytes, peakAnonymousBytes]) {
      expect(bytes).toBeGreaterThan(64 << 20);
      expect(bytes).toBeLessThan(90 << 20);
    }
  });

  test('has its start and end on the clock of the bench', async () => {
    const beforeMs = Number(process.hrtime.bigint()) / 1e6;
    await using running = runPython('import time; time.sleep(0.2)');
    const startedMs = await running.startedMs();
    const { atMs } = await running.succeeded();
    expect(startedMs).toBeGreaterThan(beforeMs);
    expect(atMs - startedMs).toBeGreaterThan(199);
    expect(atMs).toBeLessThan(Number(process.hrtime.bigint()) / 1e6);
  });

  test('is killed when its deadline passes, and the error says so', async () => {
    await using running = runPython('import time; time.sleep(30)', { deadlineMs: 300 });
    await expect(running.succeeded()).rejects.toThrow(
      /killed because it had not ended after 0.3 s/,
    );
  });

  test('fails with the end of what the program said', async () => {
    await using running = runPython('import sys; sys.exit("no room")');
    await expect(running.succeeded()).rejects.toThrow(/exit code 1\nno room/);
  });

  test('gets a signal itself, and its end is told', async () => {
    await using running = runPython('import time; print(1, flush=True); time.sleep(30)');
    await running.line(z.literal(1), 'that it is there');
    await running.send('SIGKILL');
    expect(await running.ended()).toMatchObject({ code: null, signal: 9 });
  });

  test('is known by the last line that fits', async () => {
    await using running = runPython('print(1); print(2); print("text")');
    await running.succeeded();
    expect(running.last(z.number())).toBe(2);
    expect(running.last(z.boolean())).toBeUndefined();
  });

  test('is ended with the bench', async () => {
    const ending = new AbortController();
    await using running = new MeasuredProcess(
      { name: 'it', command: ['sleep', '30'], deadlineMs },
      { signal: ending.signal },
    );
    await running.startedMs();
    ending.abort();
    await expect(running.ended()).rejects.toThrow(/the bench was ended/);
  });
});

describe('a line of /proc/PID/stat', () => {
  test('is read also where the name of the program has spaces and brackets', () => {
    const stat = '7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 25 5 20 0 1 0 99 0 0';
    expect(cpuSecondsOfStat(stat)).toBe(2.3);
  });

  test('is refused when it is something else', () => {
    expect(() => cpuSecondsOfStat('nonsense')).toThrow(RangeError);
  });
});
