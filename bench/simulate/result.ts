import {
  median,
  ratiosByRound,
  spreadOf,
  toDigits,
  type BenchResult,
  type Machine,
  type Spread,
} from '../report/index.ts';
import type { Comparison } from './compare.ts';
import type { FigureName, Figures } from './run-once.ts';

/** All rounds of a scenario at one size. */
export interface Rounds {
  readonly name: string;
  readonly without?: string | undefined;
  readonly hosts: number;
  readonly pieces: number;
  readonly figures: readonly Figures[];
}

/** Figures are medians of the rounds. */
export interface SimulateRun extends Figures {
  readonly name: string;
  readonly hosts: number;
  readonly pieces: number;
  readonly rounds: number;
  /** How many times as long as the same without what is odd in it, round by round. */
  readonly medianOverWithout?: number;
  readonly lastOverWithout?: number;
  readonly spread: Readonly<Record<string, Spread>>;
}

export interface SimulateResult extends BenchResult {
  readonly bench: 'simulate';
  readonly machine: Machine;
  readonly runs: readonly SimulateRun[];
  /** Of the main scenario: equal hosts, as many as were simulated at the most. */
  readonly hosts?: number;
  /** In seconds. */
  readonly bound?: number;
  readonly overBound?: { readonly median: number; readonly last: number };
  readonly seedCopies?: number;
  /** Where racks were simulated. */
  readonly uplinkCopies?: number;
  readonly comparison?: readonly Comparison[];
}

const digits = 4;

const figureNames: readonly FigureName[] = [
  'medianHostSeconds',
  'lastHostSeconds',
  'boundSeconds',
  'medianOverBound',
  'lastOverBound',
  'seedCopies',
  'uplinkCopies',
  'duplicatePieces',
  'events',
  'wallSeconds',
];

export function toRun(rounds: Rounds, all: readonly Rounds[]): SimulateRun {
  const values = new Map<string, number[]>();
  for (const name of figureNames) {
    const found = rounds.figures.flatMap(({ [name]: value }) =>
      value === undefined ? [] : [value],
    );
    if (found.length > 0) values.set(name, found);
  }
  const without = all.find(
    (other) => other.name === rounds.without && other.hosts === rounds.hosts,
  );
  if (without !== undefined) {
    values.set('medianOverWithout', ratios(rounds, without, 'medianHostSeconds'));
    values.set('lastOverWithout', ratios(rounds, without, 'lastHostSeconds'));
  }
  const medians = [...values].map(([name, found]) => [name, toDigits(median(found), digits)]);
  const spreads = [...values].map(([name, found]) => [name, shortened(spreadOf(found))]);
  return {
    name: rounds.name,
    hosts: rounds.hosts,
    pieces: rounds.pieces,
    rounds: rounds.figures.length,
    ...(Object.fromEntries(medians) as Figures),
    spread: Object.fromEntries(spreads) as Record<string, Spread>,
  };
}

const shortened = ({ min, max }: Spread): Spread => ({
  min: toDigits(min, digits),
  max: toDigits(max, digits),
});

const byRound = ({ figures }: Rounds, name: FigureName): Map<number, number> =>
  new Map(figures.map(({ [name]: value }, round) => [round, value ?? NaN]));

const ratios = (one: Rounds, other: Rounds, name: FigureName): number[] =>
  ratiosByRound(byRound(one, name), byRound(other, name));

export function toResult(
  all: readonly Rounds[],
  facts: Pick<SimulateResult, 'machine'> & { readonly comparison?: readonly Comparison[] },
): SimulateResult {
  const runs = all.map((rounds) => toRun(rounds, all));
  const main = runs
    .filter(({ name }) => name === 'equal')
    .reduce<SimulateRun | undefined>(
      (most, run) => (most !== undefined && most.hosts >= run.hosts ? most : run),
      undefined,
    );
  const racks = runs.find(({ name }) => name === 'racks');
  return {
    bench: 'simulate',
    machine: facts.machine,
    runs,
    ...(main === undefined ? {} : mainFigures(main)),
    ...(racks?.uplinkCopies === undefined ? {} : { uplinkCopies: racks.uplinkCopies }),
    ...(facts.comparison === undefined ? {} : { comparison: facts.comparison }),
  };
}

const mainFigures = (run: SimulateRun) => ({
  hosts: run.hosts,
  bound: run.boundSeconds,
  overBound: { median: run.medianOverBound, last: run.lastOverBound },
  seedCopies: run.seedCopies,
});
