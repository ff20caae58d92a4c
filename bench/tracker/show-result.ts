import { barChart, table, type Column } from '../report/index.ts';
import { ways } from './config.ts';
import type { TrackerBenchResult, TrackerRun } from './result.ts';
import { percent } from './tracker-bench.ts';

const columns: readonly Column[] = [
  { head: 'tracker', figure: false },
  { head: 'asked by', figure: false },
  { head: 'announces/s', figure: true },
  { head: 'min-max', figure: true },
  { head: 'p99 ms', figure: true },
  { head: 'of its core', figure: true },
  { head: 'load, of its', figure: true },
  { head: 'announces a CPU s', figure: true },
  { head: 'min-max', figure: true },
];

const ratioColumns: readonly Column[] = [
  { head: 'ours over theirs', figure: false },
  { head: 'a CPU second', figure: true },
  { head: 'min-max', figure: true },
  { head: 'as measured', figure: true },
];

const titleOf = (way: TrackerRun['way']): string =>
  ways.find(({ name }) => name === way)?.title ?? way;

const whole = (value: number): string => value.toFixed(0);

/** The result for people. */
export function resultText(result: TrackerBenchResult): string {
  const parts = [table(columns, result.runs.map(row))];
  const ratios = Object.entries(result.ratios).map(([name, value]) => {
    const { min = value, max = value } = result.ratioSpread[name] ?? {};
    const measured = result.measuredRatios[name]?.toFixed(2) ?? '';
    return [name, value.toFixed(2), `${min.toFixed(2)}-${max.toFixed(2)}`, measured];
  });
  if (ratios.length > 0) parts.push(table(ratioColumns, ratios));
  if (result.bytesPerPeer !== undefined && result.heapBytesPerPeer !== undefined) {
    parts.push(
      `a peer takes ${result.bytesPerPeer} bytes of memory, ${result.heapBytesPerPeer} of them in the heap`,
    );
  }
  for (const { name, reason } of result.skipped) parts.push(`skipped: ${name}: ${reason}`);
  for (const { name, way, round, message } of result.failures) {
    parts.push(`FAILED: ${name}, ${way}, round ${round}: ${message}`);
  }
  return parts.join('\n');
}

function row(run: TrackerRun): string[] {
  const { announcesPerSecond: measured, announcesPerCpuSecond: capacity } = run.spread;
  return [
    run.name,
    run.way,
    whole(run.announcesPerSecond),
    `${whole(measured.min)}-${whole(measured.max)}`,
    run.p99Ms.toFixed(1),
    percent(run.busy),
    percent(run.loadBusy),
    whole(run.announcesPerCpuSecond),
    `${whole(capacity.min)}-${whole(capacity.max)}`,
  ];
}

/** What a core does of each, as SVG. */
export function resultChart({ runs, machine }: TrackerBenchResult): string {
  const groups = [...Map.groupBy(runs, ({ way }) => way)].map(([way, inWay]) => ({
    title: titleOf(way),
    bars: inWay.map((run) => ({
      label: run.name,
      value: run.announcesPerCpuSecond,
      spread: run.spread.announcesPerCpuSecond,
      ours: run.name === 'starling',
    })),
  }));
  return barChart({
    title: 'Announces a second of CPU time, 100,000 peers in 1,000 swarms',
    subtitle: `medians; lines show the least and the most of a round; ${machine.cores} cores, ${machine.cpu}`,
    unit: 'announces',
    groups,
  });
}
