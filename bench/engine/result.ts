import {
  median,
  mediansOf,
  ratiosByRound,
  shortened,
  spreadOf,
  toDigits,
  type BenchResult,
  type ByRound,
  type Machine,
  type Medians,
  type Spread,
} from '../report/index.ts';
import { scenarios } from './config.ts';
import type { FigureName, Figures } from './figures.ts';
import type { ContenderRounds } from './contender.ts';
import type { Failure } from '../rounds/index.ts';

/** The figures of one peer in one scenario: medians of its rounds. */
export interface EngineRun extends Medians<Figures> {
  readonly name: string;
  readonly scenario: string;
  readonly fetchers: number;
  readonly rounds: number;
}

export interface EngineResult extends BenchResult {
  readonly bench: 'engine';
  readonly machine: Machine;
  readonly runs: readonly EngineRun[];
  /** Ours over another: how many times as fast, the median of the ratios of each round. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly ratioSpread: Readonly<Record<string, Spread>>;
  /** The seed's CPU time by the byte with four fetchers at once, over that with one. */
  readonly seedCpuRatio4to1?: number;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  readonly failures: readonly Failure[];
}

/** All rounds of a scenario. */
export interface ScenarioRounds {
  readonly scenario: string;
  readonly contenders: readonly ContenderRounds[];
}

const digits = 4;

export function toRuns({ scenario, contenders }: ScenarioRounds): EngineRun[] {
  return contenders
    .filter(({ rounds }) => rounds.size > 0)
    .map(({ peer, fetchers, rounds }) => ({
      name: peer.name,
      scenario,
      fetchers,
      rounds: rounds.size,
      ...shortened(mediansOf([...rounds.values()])),
    }));
}

const byRound = ({ rounds }: ContenderRounds, figure: FigureName): ByRound =>
  new Map(
    [...rounds].flatMap(([round, { [figure]: value }]) =>
      value === undefined ? [] : [[round, value]],
    ),
  );

/** How many times as fast ours are as each other peer, round by round. */
export function ratiosOf(found: readonly ScenarioRounds[]): Record<string, number[]> {
  const ratios: Record<string, number[]> = {};
  for (const { scenario, contenders } of found) {
    const prefix = scenarios.find(({ name }) => name === scenario)?.ratioPrefix;
    if (prefix === undefined) continue;
    for (const ours of contenders.filter(({ peer }) => peer.ours)) {
      for (const theirs of contenders.filter(({ peer }) => peer !== ours.peer)) {
        const values = ratiosByRound(
          byRound(ours, 'mibPerSecond'),
          byRound(theirs, 'mibPerSecond'),
        );
        if (values.length === 0) continue;
        ratios[ratioName(prefix, ours.peer.name, theirs.peer.name)] = values;
      }
    }
  }
  return ratios;
}

/** Of small files and disks, what is named after the scenario alone is that of the sealed transport. */
const ratioName = (prefix: string, ours: string, theirs: string): string =>
  prefix !== '' && ours === 'sealed' ? `${prefix}${theirs}` : `${prefix}${ours}/${theirs}`;

/** The seed's CPU time by the byte with several fetchers over that with one. */
export function seedCpuRatio(contenders: readonly ContenderRounds[]): number | undefined {
  const one = contenders.find(({ fetchers }) => fetchers === 1);
  const several = contenders.find(({ fetchers }) => fetchers > 1);
  if (one === undefined || several === undefined) return undefined;
  const figure = 'seederCpuSecondsPerGib';
  const values = ratiosByRound(byRound(several, figure), byRound(one, figure));
  return values.length === 0 ? undefined : toDigits(median(values), digits);
}

export function toResult(
  found: readonly ScenarioRounds[],
  facts: Pick<EngineResult, 'machine' | 'skipped' | 'failures'>,
): EngineResult {
  const ratios = Object.entries(ratiosOf(found));
  const seedCpuRatio4to1 = found
    .map(({ contenders }) => seedCpuRatio(contenders))
    .find((ratio) => ratio !== undefined);
  return {
    bench: 'engine',
    machine: facts.machine,
    runs: found.flatMap(toRuns),
    ratios: Object.fromEntries(
      ratios.map(([name, values]) => [name, toDigits(median(values), digits)]),
    ),
    ratioSpread: shortened(
      Object.fromEntries(ratios.map(([name, values]) => [name, spreadOf(values)])),
    ),
    ...(seedCpuRatio4to1 === undefined ? {} : { seedCpuRatio4to1 }),
    skipped: facts.skipped,
    failures: facts.failures,
  };
}
