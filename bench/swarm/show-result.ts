import { barChart, table, type Column } from '../report/index.ts';
import type { Figures } from './figures.ts';
import type { SwarmResult, SwarmRun } from './result.ts';
import { scenarios } from './scenario.ts';

const digits = (count: number) => (value: number) => value.toFixed(count);
const percent = (value: number) => `${(value * 100).toFixed(0)} %`;

interface FigureColumn {
  readonly head: string;
  readonly figure: keyof Figures;
  readonly format: (value: number) => string;
}

/** A column is shown when a run has its figure. */
const figureColumns: readonly FigureColumn[] = [
  { head: 'median host s', figure: 'medianSeconds', format: digits(1) },
  { head: 'x bound', figure: 'medianOverBound', format: digits(2) },
  { head: 'last host s', figure: 'lastSeconds', format: digits(1) },
  { head: 'x bound', figure: 'lastOverBound', format: digits(2) },
  { head: 'seed copies', figure: 'seedCopies', format: digits(2) },
  { head: 'copies into a rack', figure: 'uplinkInCopies', format: digits(2) },
  { head: 'out of it', figure: 'uplinkOutCopies', format: digits(2) },
  { head: 'slow host s', figure: 'slowHostSeconds', format: digits(1) },
  { head: 'late host s', figure: 'lateHostSeconds', format: digits(1) },
  { head: 'received copies', figure: 'receivedCopies', format: digits(3) },
  { head: 'lost copies', figure: 'lostCopies', format: digits(3) },
  { head: 'CPU', figure: 'cpuShare', format: percent },
  { head: 'frames lost', figure: 'droppedShare', format: (value) => `${digits(2)(value * 100)} %` },
];

const titleOf = (scenario: string): string =>
  scenarios.find(({ name }) => name === scenario)?.title ?? scenario;

/** The median of a figure; with the least and largest where several rounds differ. */
function cell(run: SwarmRun, { figure, format }: FigureColumn): string {
  const value = run[figure];
  if (value === undefined) return '';
  const spread = run.spread[figure];
  const [min, max] = [format(spread?.min ?? value), format(spread?.max ?? value)];
  return min === max ? format(value) : `${format(value)} (${min}-${max})`;
}

function scenarioTable(runs: readonly SwarmRun[]): string {
  const shown = figureColumns.filter(({ figure }) => runs.some((run) => run[figure] !== undefined));
  const columns: Column[] = [
    { head: 'peer', figure: false },
    ...shown.map(({ head }) => ({ head, figure: true })),
  ];
  const rows = runs.map((run) => [run.name, ...shown.map((column) => cell(run, column))]);
  return table(columns, rows);
}

const runsByScenario = (runs: readonly SwarmRun[]): Map<string, SwarmRun[]> =>
  Map.groupBy(runs, ({ scenario }) => scenario);

/** The result for people: a table a scenario. */
export function resultText(result: SwarmResult): string {
  const parts: string[] = [];
  for (const [scenario, runs] of runsByScenario(result.runs)) {
    const bound = runs[0]?.boundSeconds.toFixed(1) ?? '';
    parts.push(`${titleOf(scenario)} (${scenario}); bound ${bound} s`, scenarioTable(runs));
  }
  const inRacks = result.runs.some(({ ours, uplinkInCopies }) => ours && uplinkInCopies);
  if (inRacks && !result.racksTold) parts.push('our hosts can not be told their rack');
  for (const { name, reason } of result.skipped) parts.push(`skipped: ${name}: ${reason}`);
  for (const { name, scenario, round, message } of result.failures) {
    parts.push(`FAILED: ${name}, ${scenario}, round ${round}: ${message}`);
  }
  return parts.join('\n');
}

/** When the last host was done, as SVG. */
export function resultChart({ runs, machine }: SwarmResult): string {
  const groups = [...runsByScenario(runs)].map(([scenario, inScenario]) => ({
    title: titleOf(scenario),
    bars: inScenario.map((run) => ({
      label: run.name,
      value: run.lastOverBound,
      spread: run.spread.lastOverBound ?? { min: run.lastOverBound, max: run.lastOverBound },
      ours: run.ours,
    })),
  }));
  return barChart({
    title: 'One seed, many hosts: until the last host has the image',
    subtitle: `times what no schedule can beat; medians, lines show the least and largest round; ${machine.cores} cores, ${machine.cpu}`,
    unit: 'x bound',
    digits: 2,
    groups,
  });
}
