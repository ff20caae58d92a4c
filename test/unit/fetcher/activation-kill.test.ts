import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Durability } from '../../../src/image/index.ts';
import { durable } from '../../../src/image/index.ts';
import type { Place } from './fixture.ts';
import {
  lives,
  makeActivation,
  makeImage,
  makePlace,
  makeScriptImage,
  numberIn,
  processesCarrying,
  processesWith,
  signal,
  summary,
  until,
} from './fixture.ts';

vi.setConfig({ testTimeout: 120_000 });

const needs = { OUT: { type: 'string' } };

/** Starts the small fetcher of activation-host.ts as a process of its own. */
function startHost(place: Place, mode: 'once' | 'forever', trees: readonly string[]): ChildProcess {
  const script = join(import.meta.dirname, 'activation-host.ts');
  const host = spawn(process.execPath, [script, place.directory, place.root, mode, ...trees], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(async () => {
    if (host.exitCode === null && host.signalCode === null) {
      host.kill('SIGKILL');
      await once(host, 'exit');
    }
    await until('nothing of the host is left', async () => {
      for (const pid of await processesCarrying(place.root)) process.kill(pid, 'SIGKILL');
      return (await processesCarrying(place.root)).length === 0;
    });
  });
  return host;
}

async function lineOf(host: ChildProcess, start: string): Promise<string> {
  if (!host.stdout) throw new Error('the host has no output');
  for await (const line of createInterface({ input: host.stdout })) {
    if (line.startsWith(start)) return line;
  }
  throw new Error(`the host ended without a line ${start}`);
}

/** Waits until nothing that an app of the place started is left. */
async function untilNothingRuns(place: Place): Promise<void> {
  await until('no process is left', async () => {
    return (await processesCarrying(place.root)).length === 0;
  });
  await until('no guard is left', async () => {
    return (await processesWith('starling-guard')).every((line) => !line.includes(place.root));
  });
}

describe('a fetcher that is killed', () => {
  test('leaves no process: neither the app, nor its children, nor those that left its group', async () => {
    const place = await makePlace();
    const script = [
      'sleep 1000 & echo $! > "$OUT/child"',
      'setsid sh -c \'echo $$ > "$OUT/escaped"; exec sleep 1000\' &',
      'trap "echo stopped > $OUT/stopped; exit 0" USR1',
      'while :; do wait; done',
    ].join('\n');
    const stop = { signal: 'SIGUSR1' };
    const image = await makeScriptImage(place, '1', script, { needs, stop });
    const host = startHost(place, 'once', [image.tree]);
    const app = Number((await lineOf(host, 'active')).split(' ')[1]);
    const pids = [
      app,
      await numberIn(join(place.root, 'child')),
      await numberIn(join(place.root, 'escaped')),
    ];
    for (const pid of pids) expect(await lives(pid)).toBe(true);
    host.kill('SIGKILL');
    await untilNothingRuns(place);
    for (const pid of pids) expect(await lives(pid)).toBe(false);
    expect(await readFile(join(place.root, 'stopped'), 'utf8')).toBe('stopped\n');
  });

  test('leaves no process that ignores the stop signal longer than its grace', async () => {
    const place = await makePlace();
    const image = await makeScriptImage(place, '1', 'trap "" TERM; while :; do sleep 1; done', {
      needs,
      stop: { graceMs: 200 },
    });
    const host = startHost(place, 'once', [image.tree]);
    await lineOf(host, 'active');
    host.kill('SIGKILL');
    await untilNothingRuns(place);
  });

  test('together with its guard leaves an app that the next fetcher ends', async () => {
    const place = await makePlace();
    const image = await makeScriptImage(place, '1', 'sleep 1000 & exec sleep 1000', { needs });
    const host = startHost(place, 'once', [image.tree]);
    const app = Number((await lineOf(host, 'active')).split(' ')[1]);
    // Stopped, it can't replace the guard.
    host.kill('SIGSTOP');
    const [guard] = await processesWith(`starling-guard ${app} `);
    process.kill(Number(guard?.trim().split(' ')[0]), 'SIGKILL');
    await until('the guard is gone', async () => {
      return (await processesWith(`starling-guard ${app} `)).length === 0;
    });
    host.kill('SIGKILL');
    await once(host, 'exit');
    const left = await processesCarrying(place.root);
    expect(left).toContain(app);

    const next = makeActivation(place, { supplies: { OUT: place.root } });
    expect(await next.open({ signal })).toMatchObject({ endedStale: 1, current: { number: 1 } });
    for (const pid of left) expect(await lives(pid)).toBe(false);
    await until('the app runs again', () => next.status().state === 'running');
  });

  test('at any moment starts again into a whole generation', async () => {
    const place = await makePlace();
    const script = 'exec sleep 1000';
    const trees = [
      (await makeScriptImage(place, '1', script, { needs })).tree,
      (await makeScriptImage(place, '2', script, { needs })).tree,
    ];
    let hadCurrent = false;
    for (let round = 0; round < 10; round++) {
      const host = startHost(place, 'forever', trees);
      await lineOf(host, 'open');
      // A random moment is what this test is about.
      await sleep(Math.random() * 400);
      host.kill('SIGKILL');
      await once(host, 'exit');
      await untilNothingRuns(place);
      const next = makeActivation(place, { supplies: { OUT: place.root } });
      const { current } = await next.open({ signal });
      // There is none only until the first one was healthy.
      if (hadCurrent) expect(current).toBeDefined();
      if (current) expect(current.state).toBe('healthy');
      hadCurrent ||= current !== undefined;
      await next[Symbol.asyncDispose]();
      expect(await processesCarrying(place.root)).toEqual([]);
    }
  });
});

describe('the directory of an activation', () => {
  test('is whole at every point where it waits for the disk', async () => {
    const place = await makePlace();
    const snapshots: string[] = [];
    const copy = async (): Promise<void> => {
      // As deep as the directory itself, so that relative links lead to the same trees.
      const snapshot = join(place.root, 'apps/snapshots', String(snapshots.length));
      await cp(place.directory, snapshot, { recursive: true, verbatimSymlinks: true });
      snapshots.push(snapshot);
    };
    let copying = false;
    const durability: Durability = {
      syncFile: async (path) => {
        if (copying) await copy();
        await durable.syncFile(path);
        if (copying) await copy();
      },
      syncDirectory: async (path) => {
        if (copying) await copy();
        await durable.syncDirectory(path);
        if (copying) await copy();
      },
    };
    const activation = makeActivation(place, { components: { durability }, keepGenerations: 1 });
    await activation.open({ signal });
    await activation.activate(await makeImage(place, '1', {}), { signal });
    copying = true;
    await activation.activate(await makeImage(place, '2', {}), { signal });
    const bad = await makeScriptImage(place, '3', 'exec sleep 1000', {
      health: { type: 'exec', command: ['false'], intervalMs: 10, deadlineMs: 100 },
    });
    await expect(activation.activate(bad, { signal })).rejects.toThrow();
    await activation.rollback({ signal });
    await activation.prune({ signal });
    copying = false;
    expect(snapshots.length).toBeGreaterThan(30);
    for (const directory of snapshots) {
      // The processes of this one are not the snapshot's.
      await rm(join(directory, 'process.json'), { force: true });
      const next = makeActivation({ ...place, directory });
      const { current } = await next.open({ signal });
      expect([1, 2]).toContain(current?.number);
      expect(current?.state).toBe('healthy');
      const once = summary(await next.generations());
      // What open has mended stays so.
      expect(await next.open({ signal })).toMatchObject({ removed: [], current });
      expect(summary(await next.generations())).toBe(once);
      await next[Symbol.asyncDispose]();
    }
  });

  test('is whole when the disk fails from any point on', async () => {
    for (let failAt = 1, done = false; !done; failAt++) {
      const place = await makePlace();
      const healthy = makeActivation(place);
      await healthy.open({ signal });
      const image = await makeScriptImage(place, '1', 'exec sleep 1000');
      await healthy.activate(image, { signal });
      await healthy[Symbol.asyncDispose]();

      let calls = 0;
      const failing = async (sync: () => Promise<void>): Promise<void> => {
        if (++calls >= failAt) throw new Error('the disk is gone');
        await sync();
      };
      const durability: Durability = {
        syncFile: (path) => failing(() => durable.syncFile(path)),
        syncDirectory: (path) => failing(() => durable.syncDirectory(path)),
      };
      const activation = makeActivation(place, { components: { durability } });
      await activation.open({ signal });
      const next = await makeScriptImage(place, '2', 'exec sleep 1000');
      const outcome = await activation.activate(next, { signal }).then(
        () => 'active',
        (error: unknown) => error,
      );
      done = outcome === 'active';
      if (!done) {
        expect(outcome).toMatchObject({ code: 'STORAGE_FAILED' });
        // The old app is back, whatever the disk does.
        await until('the old app runs', () => activation.status().state === 'running');
        expect(activation.status().generation?.number).toBe(1);
      }
      await activation[Symbol.asyncDispose]();

      const again = makeActivation(place);
      const { current } = await again.open({ signal });
      expect([1, 2]).toContain(current?.number);
      expect(current?.state).toBe('healthy');
      await again[Symbol.asyncDispose]();
      expect(done ? failAt : 0).toBeLessThan(30);
      if (done) expect(failAt).toBeGreaterThan(8);
    }
  });
});
