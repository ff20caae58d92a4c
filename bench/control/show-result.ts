import { barChart, table, type Column } from '../report/index.ts';
import type { Summary } from './change-times.ts';
import type { ControlBenchResult, ControlRun } from './result.ts';
import type { SessionFigures } from './sessions.ts';

const columns: readonly Column[] = [
  { head: 'milliseconds', figure: false },
  { head: 'p50', figure: true },
  { head: 'p99', figure: true },
  { head: 'worst', figure: true },
];

const ms = (value: number): string => value.toFixed(1);
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const row = (name: string, { p50Ms, p99Ms, worstMs }: Summary): string[] => [
  name,
  ...[p50Ms, p99Ms, worstMs].map(ms),
];

/** The result for people. */
export function resultText(result: ControlBenchResult): string {
  const rows = result.runs.flatMap((run) => [
    row(`${run.name}: change to callback, every host`, run),
    row(`${run.name}: the last of ${run.hosts} hosts`, run.lastHost),
    row(`${run.name}: change to answer`, run.answered),
  ]);
  const { sessions } = result;
  if (sessions !== undefined) {
    rows.push(
      row(`${sessions.sessions} sessions: change to message, each`, sessions.told),
      row(`${sessions.sessions} sessions: the last of them`, sessions.lastHost),
      row(`${sessions.sessions} sessions: change to answer`, sessions.answered),
    );
  }
  const parts = [table(columns, rows), ...result.runs.map(usage)];
  if (sessions !== undefined) parts.push(sessionUsage(sessions));
  for (const [name, value] of Object.entries(result.ratios)) {
    parts.push(`ours over theirs, ${name}: ${value.toFixed(2)}`);
  }
  for (const { name, reason } of result.skipped) parts.push(`skipped: ${name}: ${reason}`);
  const [before, after] = result.load;
  parts.push(`load of the machine: ${before.toFixed(1)} before, ${after.toFixed(1)} after`);
  return parts.join('\n');
}

const usage = (run: ControlRun): string =>
  `${run.name}: the server ${ms(run.serverCpuMsPerChange)} ms of CPU time a change and ${mib(run.serverBytes)}; a host's process ${mib(run.hostBytes)}`;

const sessionUsage = (of: SessionFigures): string =>
  [
    `${of.sessions} sessions: the tracker has ${mib(of.trackerBytes)}, ${(of.trackerBytesPerSession / 1_024).toFixed(0)} KiB a session`,
    `its CPU time: ${ms(of.trackerCpuMsPerOpening)} ms to open one, ${ms(of.trackerCpuMsPerChange)} ms a change, ${(100 * of.trackerIdleShare).toFixed(1)} % of a core for heartbeats`,
    `${of.openedPerSecond.toFixed(0)} opened a second`,
  ].join('; ');

const figures = [
  { name: 'p50Ms', title: 'Half of all' },
  { name: 'p99Ms', title: '99 of 100' },
  { name: 'worstMs', title: 'All' },
] as const;

/** Times until the callback, as SVG. */
export function resultChart({ runs, machine }: ControlBenchResult): string {
  const groups = figures.map(({ name, title }) => ({
    title: `${title} callbacks within`,
    bars: runs.map((run) => ({
      label: run.name,
      value: run[name],
      spread: run.spread[name],
      ours: run.ours,
    })),
  }));
  const { hosts = 0, changes = 0 } = runs[0] ?? {};
  return barChart({
    title: `From a changed endpoint to the callback on ${hosts} hosts`,
    subtitle: `${changes} changes; lines show the least and the most of a fifth of them; ${machine.cores} cores, ${machine.cpu}`,
    unit: 'ms',
    digits: 1,
    groups,
  });
}
