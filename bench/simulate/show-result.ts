import { lineChart, table, type Column, type Line } from '../report/index.ts';
import type { SimulateResult, SimulateRun } from './result.ts';
import { scenarios } from './scenarios.ts';

const columns: readonly Column[] = [
  { head: 'scenario', figure: false },
  { head: 'hosts', figure: true },
  { head: 'bound s', figure: true },
  { head: 'median s', figure: true },
  { head: 'last s', figure: true },
  { head: 'median / bound', figure: true },
  { head: 'last / bound', figure: true },
  { head: 'seed copies', figure: true },
  { head: 'uplink copies', figure: true },
  { head: 'median, last / without', figure: true },
];

const comparedColumns: readonly Column[] = [
  { head: 'scenario', figure: false },
  { head: 'measured run', figure: false },
  { head: 'figure', figure: false },
  { head: 'predicted s', figure: true },
  { head: 'measured s', figure: true },
  { head: 'difference %', figure: true },
];

/** The result for people. */
export function resultText({ runs, comparison = [] }: SimulateResult): string {
  const parts = [table(columns, runs.map(row))];
  const names = new Set(runs.map(({ name }) => name));
  for (const { name, title } of scenarios) if (names.has(name)) parts.push(`${name}: ${title}`);
  if (comparison.length > 0) {
    const rows = comparison.map((one) => [
      one.scenario,
      one.name,
      one.figure === 'medianHostSeconds' ? 'median host' : 'last host',
      one.predictedSeconds.toFixed(2),
      one.measuredSeconds.toFixed(2),
      one.differencePercent.toFixed(1),
    ]);
    parts.push('\npredicted and measured', table(comparedColumns, rows));
  }
  return parts.join('\n');
}

function row(run: SimulateRun): string[] {
  const { medianOverWithout: median, lastOverWithout: last } = run;
  return [
    run.name,
    String(run.hosts),
    run.boundSeconds.toFixed(2),
    run.medianHostSeconds.toFixed(2),
    run.lastHostSeconds.toFixed(2),
    run.medianOverBound.toFixed(3),
    run.lastOverBound.toFixed(3),
    run.seedCopies.toFixed(2),
    run.uplinkCopies?.toFixed(2) ?? '',
    median === undefined || last === undefined ? '' : `${median.toFixed(3)}, ${last.toFixed(3)}`,
  ];
}

/** How many times the bound the median and the last host need, over the number of hosts. */
export function resultChart({ runs }: SimulateResult): string {
  const equal = runs.filter(({ name }) => name === 'equal').toSorted((a, b) => a.hosts - b.hosts);
  const line = (
    label: string,
    figure: 'lastOverBound' | 'medianOverBound',
    ours: boolean,
  ): Line => ({
    label,
    ours,
    points: equal.map((run) => {
      const value = run[figure];
      return { x: run.hosts, y: value, spread: run.spread[figure] ?? { min: value, max: value } };
    }),
  });
  const pieces = equal.at(-1)?.pieces ?? 0;
  return lineChart({
    title: 'From one seed to all: time over the lower bound, by the number of hosts',
    subtitle: `simulated; equal hosts, ${pieces.toLocaleString('en-US')} pieces; medians of the rounds, lines show the least and the most`,
    xLabel: 'hosts (logarithmic)',
    yLabel: 'times the lower bound',
    lines: [
      line('last host', 'lastOverBound', true),
      line('median host', 'medianOverBound', false),
    ],
  });
}
