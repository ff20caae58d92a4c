import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { HealthPlan } from '../../../fetcher/launch-plan.ts';
import { OutputLog } from '../../../fetcher/output-log.ts';
import type { SupervisorComponents } from '../../../fetcher/supervisor.ts';
import { Supervisor } from '../../../fetcher/supervisor.ts';
import { makePlace, signal, silent, until } from './fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

async function superviseScript(
  script: string,
  options: { health?: HealthPlan; components?: Partial<SupervisorComponents> } = {},
): Promise<{ supervisor: Supervisor; root: string }> {
  const { root, directory } = await makePlace();
  await mkdir(directory, { recursive: true });
  const supervisor = new Supervisor(
    {
      log: silent,
      output: new OutputLog({ path: join(directory, 'output.log'), limitBytes: 1 << 20 }),
      now: () => new Date(),
      random: () => 1,
      ...options.components,
    },
    {
      generation: 1,
      program: '/bin/sh',
      arguments: ['-c', script],
      tree: root,
      environment: { PATH: process.env.PATH ?? '' },
      stop: { signal: 'SIGTERM', graceMs: 5_000 },
      recordDirectory: directory,
      health: options.health,
      restart: { firstDelayMs: 1, maxDelayMs: 4, resetAfterMs: 60_000 },
      settleMs: 20_000,
      outputCheckMs: 1_000,
    },
  );
  onTestFinished(() => supervisor.stop());
  return { supervisor, root };
}

/** The waits before restarts, as the supervisor logs them. */
function watchDelays(): { delays: number[]; log: SupervisorComponents['log'] } {
  const delays: number[] = [];
  const log = silent.child({});
  log.warn = (fields: unknown) => {
    const { delayMs } = fields as { delayMs?: number };
    if (delayMs !== undefined) delays.push(delayMs);
  };
  return { delays, log };
}

test('the waits before restarts grow up to their limit', async () => {
  const { delays, log } = watchDelays();
  const { supervisor } = await superviseScript('exit 1', { components: { log } });
  supervisor.start();
  await until('it was started five times', () => delays.length >= 5);
  await supervisor.stop();
  expect(delays.slice(0, 5)).toEqual([1, 2, 4, 4, 4]);
  expect(supervisor.status()).toMatchObject({ state: 'stopped', pid: undefined });
});

test('the waits begin anew after the app has run for long', async () => {
  const { delays, log } = watchDelays();
  let time = 0;
  // Every look at the clock is a minute later, so each run was a long one.
  const now = (): Date => new Date((time += 60_000));
  const { supervisor } = await superviseScript('exit 1', { components: { log, now } });
  supervisor.start();
  await until('it was started three times', () => delays.length >= 3);
  expect(delays.slice(0, 3)).toEqual([1, 1, 1]);
});

test('an app that ends before it has settled is not healthy', async () => {
  const { supervisor } = await superviseScript('exit 3');
  supervisor.start();
  await expect(supervisor.untilHealthy({ signal })).rejects.toMatchObject({
    code: 'ACTIVATION_START',
    message: expect.stringContaining('ended with exit code 3') as string,
  });
});

test('as many probes in a row as asked for must pass, and bad health is no restart', async () => {
  const health: HealthPlan = {
    type: 'exec',
    command: ['test', '-e', 'well'],
    intervalMs: 5,
    timeoutMs: 10_000,
    successes: 3,
    deadlineMs: 20_000,
  };
  const { supervisor, root } = await superviseScript('exec sleep 1000', { health });
  supervisor.start();
  await until('it was probed', () => supervisor.status().health?.ok === false);
  await writeFile(join(root, 'well'), '');
  await supervisor.untilHealthy({ signal });
  expect(supervisor.status().health?.inARow).toBeGreaterThanOrEqual(3);
  const { pid } = supervisor.status();
  await rm(join(root, 'well'));
  await until('it is ill', () => supervisor.status().health?.ok === false);
  expect(supervisor.status()).toMatchObject({ state: 'running', pid, restarts: 0 });
});

const probing = { intervalMs: 5, timeoutMs: 5_000, successes: 1 };

/** The conditions that an app goes through, the first one before it is started. */
async function watchConditions(
  script: string,
  health: HealthPlan | undefined,
): Promise<{ conditions: string[]; root: string }> {
  const conditions = ['starting'];
  const holder: { supervisor?: Supervisor } = {};
  const onChange = () => {
    conditions.push(holder.supervisor?.status().condition ?? 'none');
  };
  const { supervisor, root } = await superviseScript(script, {
    ...(health && { health }),
    components: { onChange },
  });
  holder.supervisor = supervisor;
  expect(supervisor.status().condition).toBe('starting');
  supervisor.start();
  return { conditions, root };
}

test('an app that was well is ill after its check has failed three times in a row, until it passes', async () => {
  const { conditions, root } = await watchConditions('exec sleep 1000', {
    ...probing,
    type: 'exec',
    command: ['sh', '-c', 'test ! -e ill'],
    deadlineMs: 100_000,
  });
  await until('it is well', () => conditions.length === 2);
  await writeFile(join(root, 'ill'), '');
  await until('it is ill', () => conditions.length === 3);
  await rm(join(root, 'ill'));
  await until('it is well again', () => conditions.length === 4);
  expect(conditions).toEqual(['starting', 'well', 'ill', 'well']);
});

test('an app that was never well is ill when its check gives it no more time', async () => {
  const { conditions } = await watchConditions('exec sleep 1000', {
    ...probing,
    type: 'exec',
    command: ['false'],
    deadlineMs: 1,
  });
  await until('it is ill', () => conditions.length === 2);
  expect(conditions).toEqual(['starting', 'ill']);
});

test('an app without a check is ill when it ends', async () => {
  const { conditions } = await watchConditions('exit 1', undefined);
  await until('it is ill', () => conditions.length === 2);
  expect(conditions).toEqual(['starting', 'ill']);
});
