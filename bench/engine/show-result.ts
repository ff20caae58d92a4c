import { barChart, table, type Column } from '../report/index.ts';
import { fourFetchers, scenarios } from './config.ts';
import type { EngineResult, EngineRun } from './result.ts';

const columns: readonly Column[] = [
  { head: 'peer', figure: false },
  { head: 'MiB/s', figure: true },
  { head: 'min-max', figure: true },
  { head: 'without start', figure: true },
  { head: 'and synced', figure: true },
  { head: 'seeder CPU s/GiB', figure: true },
  { head: 'fetcher CPU s/GiB', figure: true },
  { head: 'seeder MiB', figure: true },
  { head: 'fetcher MiB (no file pages)', figure: true },
];

const ours = new Set(['sealed', 'open']);

const titleOf = (scenario: string): string =>
  scenarios.find(({ name }) => name === scenario)?.title ?? 'four fetchers from one seed at once';

const labelOf = ({ name, fetchers, scenario }: EngineRun): string =>
  scenario === fourFetchers ? `${name} x${fetchers}` : name;

function runsByScenario(runs: readonly EngineRun[]): Map<string, EngineRun[]> {
  return Map.groupBy(runs, ({ scenario }) => scenario);
}

/** The result for people: a table a scenario, and the ratios. */
export function resultText(result: EngineResult): string {
  const parts: string[] = [];
  for (const [scenario, runs] of runsByScenario(result.runs)) {
    parts.push(`${titleOf(scenario)} (${scenario})`, table(columns, runs.map(row)));
  }
  const ratios = Object.entries(result.ratios).map(([name, value]) => {
    const { min = value, max = value } = result.ratioSpread[name] ?? {};
    return [name, value.toFixed(2), `${min.toFixed(2)}-${max.toFixed(2)}`];
  });
  if (ratios.length > 0) parts.push('ours over theirs, by round', table(ratioColumns, ratios));
  if (result.seedCpuRatio4to1 !== undefined) {
    parts.push(
      `the seed's CPU time by the byte, four fetchers over one: ${result.seedCpuRatio4to1.toFixed(2)}`,
    );
  }
  for (const { name, reason } of result.skipped) parts.push(`skipped: ${name}: ${reason}`);
  for (const { name, scenario, round, message } of result.failures) {
    parts.push(`FAILED: ${name}, ${scenario}, round ${round}: ${message}`);
  }
  return parts.join('\n');
}

const ratioColumns: readonly Column[] = [
  { head: 'ratio', figure: false },
  { head: 'median', figure: true },
  { head: 'min-max', figure: true },
];

function row(run: EngineRun): string[] {
  const { min, max } = run.spread.mibPerSecond ?? { min: NaN, max: NaN };
  const perhaps = (value: number | undefined) => value?.toFixed(0) ?? '';
  return [
    labelOf(run),
    run.mibPerSecond.toFixed(0),
    `${min.toFixed(0)}-${max.toFixed(0)}`,
    perhaps(run.ownMibPerSecond),
    perhaps(run.syncedMibPerSecond),
    run.seederCpuSecondsPerGib.toFixed(2),
    run.fetcherCpuSecondsPerGib.toFixed(2),
    run.seederPeakMib.toFixed(0),
    `${run.fetcherPeakMib.toFixed(0)} (${run.fetcherPeakAnonymousMib.toFixed(0)})`,
  ];
}

/** The throughput of all, as SVG. */
export function resultChart({ runs, machine }: EngineResult): string {
  const groups = [...runsByScenario(runs)].map(([scenario, inScenario]) => ({
    title: titleOf(scenario),
    bars: inScenario.map((run) => ({
      label: labelOf(run),
      value: run.mibPerSecond,
      spread: run.spread.mibPerSecond ?? { min: run.mibPerSecond, max: run.mibPerSecond },
      ours: ours.has(run.name),
    })),
  }));
  return barChart({
    title: 'One seed, one fetcher, one machine: from start to verified and written',
    subtitle: `MiB/s, medians; lines show the slowest and fastest round; ${machine.cores} cores, ${machine.cpu}`,
    unit: 'MiB/s',
    groups,
  });
}
