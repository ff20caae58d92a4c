import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CallbackLog } from '../../../bench/control/callback-log.ts';
import type { ChangeTimes } from '../../../bench/control/change-times.ts';
import { toResult, toRun, type MeasuredPlane } from '../../../bench/control/result.ts';
import { quantile } from '../../../bench/report/index.ts';
import { withTemporaryDirectory } from '../../tools/with-temporary-directory.ts';

const plane = (name: string, ours: boolean, times: readonly ChangeTimes[]): MeasuredPlane => ({
  ...{ name, ours, times, hosts: 2, serverCpuSeconds: 0.5, serverBytes: 1, hostBytes: 2 },
});

const change = (...toldMs: number[]): ChangeTimes => ({ answeredMs: 1, toldMs });

describe('the times of changes', () => {
  test('count every host of every change, and the last host of each', () => {
    const run = toRun(plane('starling', true, [change(2, 9), change(4, 3)]));
    expect(run).toMatchObject({ changes: 2, p50Ms: 3, p99Ms: 9, worstMs: 9 });
    expect(run.lastHost).toEqual({ p50Ms: 4, p99Ms: 9, worstMs: 9 });
    expect(run.answered).toEqual({ p50Ms: 1, p99Ms: 1, worstMs: 1 });
    expect(run.serverCpuMsPerChange).toBe(250);
  });

  test('are compared with those of another, ours over theirs', () => {
    const planes = [
      plane('starling', true, [change(2, 4)]),
      plane('zookeeper', false, [change(4, 16)]),
    ];
    const machine = { cores: 2, cpu: 'some', node: 'v24' };
    const result = toResult(planes, { machine, load: [0, 0], skipped: [], sessions: undefined });
    expect(result.changeToCallbackMs).toEqual({ p50: 2, p99: 4 });
    expect(result.ratios).toEqual({ 'p50/zookeeper': 0.5, 'p99/zookeeper': 0.25 });
  });
});

test('a quantile is a figure that was measured', () => {
  expect(quantile([3, 1, 2, 4], 0.5)).toBe(2);
  expect(quantile([3, 1, 2, 4], 0.99)).toBe(4);
  expect(quantile([7], 0)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

test('who was told a value is waited for, each with the time of its own', () =>
  withTemporaryDirectory(async (directory) => {
    const path = join(directory, 'told');
    await using log = await CallbackLog.listen(path);
    const { signal } = new AbortController();
    const told = log.untilTold('db-1:5432', 2, { signal });
    for (const atNs of ['5000000', '7000000']) {
      const socket = connect(path);
      await once(socket, 'connect');
      socket.end(`db-0:5432 1\ndb-1:5432 ${atNs}\n`);
    }
    expect((await told).toSorted((a, b) => a - b)).toEqual([5, 7]);
  }));
