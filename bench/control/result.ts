import {
  quantile,
  shortened,
  spreadOf,
  type BenchResult,
  type Machine,
  type Spread,
} from '../report/index.ts';
import { allTold, lastTold, summaryOf, type ChangeTimes, type Summary } from './change-times.ts';
import type { SessionFigures } from './sessions.ts';

/** What one control plane came to. Times are from right before a change was sent. */
export interface ControlRun extends Summary {
  readonly name: string;
  readonly ours: boolean;
  readonly hosts: number;
  readonly changes: number;
  /** Of a fifth of the changes each: the least and the most. */
  readonly spread: Readonly<Record<keyof Summary, Spread>>;
  /** Until the last host of each change was told. */
  readonly lastHost: Summary;
  /** Until the change was durable at the server. */
  readonly answered: Summary;
  /** What the server used, its heartbeats meanwhile included. */
  readonly serverCpuMsPerChange: number;
  readonly serverBytes: number;
  /** Of one process of a host, without the application behind it; the median. */
  readonly hostBytes: number;
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

export interface ControlBenchResult extends BenchResult {
  readonly bench: 'control';
  readonly machine: Machine;
  /** How busy the machine was at the beginning and at the end: the mean of a minute. */
  readonly load: readonly [number, number];
  readonly runs: readonly ControlRun[];
  /** Ours. */
  readonly changeToCallbackMs: { readonly p50: number; readonly p99: number };
  /** Ours over theirs: below 1 we are the faster. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly sessions?: SessionFigures;
  readonly skipped: readonly Skipped[];
}

export interface MeasuredPlane {
  readonly name: string;
  readonly ours: boolean;
  readonly hosts: number;
  readonly times: readonly ChangeTimes[];
  readonly serverCpuSeconds: number;
  readonly serverBytes: number;
  readonly hostBytes: number;
}

const parts = 5;

/** @throws RangeError when nothing was measured */
export function toRun(plane: MeasuredPlane): ControlRun {
  const { times, serverCpuSeconds, ...others } = plane;
  const length = Math.ceil(times.length / parts);
  const summaries = Array.from({ length: Math.ceil(times.length / length) }, (_, part) =>
    summaryOf(allTold(times.slice(part * length, (part + 1) * length))),
  );
  const spread = (name: keyof Summary) => spreadOf(summaries.map((summary) => summary[name]));
  const { name, ours, hosts, serverBytes, hostBytes } = others;
  return {
    ...{ name, ours, hosts },
    changes: times.length,
    ...summaryOf(allTold(times)),
    spread: { p50Ms: spread('p50Ms'), p99Ms: spread('p99Ms'), worstMs: spread('worstMs') },
    lastHost: summaryOf(lastTold(times)),
    answered: summaryOf(times.map(({ answeredMs }) => answeredMs)),
    serverCpuMsPerChange: (serverCpuSeconds * 1_000) / times.length,
    ...{ serverBytes, hostBytes },
  };
}

export function toResult(
  planes: readonly MeasuredPlane[],
  facts: Pick<ControlBenchResult, 'machine' | 'load' | 'skipped'> & {
    readonly sessions: SessionFigures | undefined;
  },
): ControlBenchResult {
  const { machine, load, skipped, sessions } = facts;
  const runs = planes.map(toRun);
  const ours = planes.filter((plane) => plane.ours).flatMap(({ times }) => allTold(times));
  const [p50, p99] = [quantile(ours, 0.5), quantile(ours, 0.99)];
  const ratios = runs
    .filter((run) => !run.ours)
    .flatMap(({ name, p50Ms, p99Ms }) => [
      [`p50/${name}`, p50 / p50Ms],
      [`p99/${name}`, p99 / p99Ms],
    ]);
  return shortened({
    bench: 'control' as const,
    machine,
    load,
    runs,
    changeToCallbackMs: { p50, p99 },
    ratios: Object.fromEntries(ratios) as Record<string, number>,
    ...(sessions === undefined ? {} : { sessions }),
    skipped,
  });
}
