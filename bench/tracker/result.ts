import {
  median,
  ratiosByRound,
  spreadOf,
  toDigits,
  type BenchResult,
  type ByRound,
  type Machine,
  type Spread,
} from '../report/index.ts';
import type { BenchTracker } from './bench-tracker.ts';
import { ways, type Way } from './config.ts';
import type { MemoryFigures } from './memory.ts';
import type { TrackerFigures } from './run-once.ts';

/** A tracker, asked in one way, with its figures by round. */
export interface Contender {
  readonly tracker: BenchTracker;
  readonly way: Way['name'];
  readonly rounds: Map<number, TrackerFigures>;
}

/** Medians of the rounds. */
export interface TrackerRun extends TrackerFigures {
  readonly name: string;
  readonly way: Way['name'];
  readonly rounds: number;
  readonly spread: Readonly<Record<SpreadName, Spread>>;
}

type SpreadName = 'announcesPerSecond' | 'announcesPerCpuSecond' | 'p99Ms';

export interface Failure {
  readonly name: string;
  readonly way: Way['name'];
  readonly round: number;
  readonly message: string;
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

export interface TrackerBenchResult extends BenchResult {
  readonly bench: 'tracker';
  readonly machine: Machine;
  readonly runs: readonly TrackerRun[];
  /** Ours over the other, in announces a second that a core does which the tracker has to itself. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly ratioSpread: Readonly<Record<string, Spread>>;
  /** The same in announces a second as they were; nearer to 1 where the load was the limit. */
  readonly measuredRatios: Readonly<Record<string, number>>;
  /** What a peer takes of the process, and of its heap. */
  readonly bytesPerPeer?: number;
  readonly heapBytesPerPeer?: number;
  readonly skipped: readonly Skipped[];
  readonly failures: readonly Failure[];
}

const digits = 4;
const figureNames = [
  'announcesPerSecond',
  'p99Ms',
  'busy',
  'loadBusy',
  'announcesPerCpuSecond',
  'bytesPerAnswer',
] as const;

function toRun({ tracker, way, rounds }: Contender): TrackerRun {
  const values = (name: (typeof figureNames)[number]) =>
    [...rounds.values()].map((figures) => figures[name]);
  const medians = Object.fromEntries(
    figureNames.map((name) => [name, toDigits(median(values(name)), digits)]),
  ) as unknown as TrackerFigures;
  const spread = (name: SpreadName): Spread => {
    const { min, max } = spreadOf(values(name));
    return { min: toDigits(min, digits), max: toDigits(max, digits) };
  };
  return {
    name: tracker.name,
    way,
    rounds: rounds.size,
    ...medians,
    spread: {
      announcesPerSecond: spread('announcesPerSecond'),
      announcesPerCpuSecond: spread('announcesPerCpuSecond'),
      p99Ms: spread('p99Ms'),
    },
  };
}

type RateName = 'announcesPerSecond' | 'announcesPerCpuSecond';

const byRound = ({ rounds }: Contender, figure: RateName): ByRound =>
  new Map([...rounds].map(([round, figures]) => [round, figures[figure]]));

/** Ours over each other tracker, round by round; a way that it lacks is compared with another. */
export function ratiosOf(
  contenders: readonly Contender[],
  figure: RateName,
): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const ours of contenders.filter(({ tracker }) => tracker.ours)) {
    const over = ways.find(({ name }) => name === ours.way)?.ratioOver ?? ours.way;
    for (const theirs of contenders) {
      if (theirs.tracker.ours || theirs.way !== over) continue;
      const values = ratiosByRound(byRound(ours, figure), byRound(theirs, figure));
      if (values.length > 0) found[`${ours.way}/${theirs.tracker.name}`] = values;
    }
  }
  return found;
}

const mapped = <From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]));

export function toResult(
  contenders: readonly Contender[],
  memory: MemoryFigures | undefined,
  facts: Pick<TrackerBenchResult, 'machine' | 'skipped' | 'failures'>,
): TrackerBenchResult {
  const measured = contenders.filter(({ rounds }) => rounds.size > 0);
  const ratios = ratiosOf(measured, 'announcesPerCpuSecond');
  const middle = (values: number[]) => toDigits(median(values), digits);
  return {
    bench: 'tracker',
    machine: facts.machine,
    runs: measured.map(toRun),
    ratios: mapped(ratios, middle),
    ratioSpread: mapped(ratios, (values) => {
      const { min, max } = spreadOf(values);
      return { min: toDigits(min, digits), max: toDigits(max, digits) };
    }),
    measuredRatios: mapped(ratiosOf(measured, 'announcesPerSecond'), middle),
    ...(memory && {
      bytesPerPeer: Math.round(memory.residentBytesPerPeer),
      heapBytesPerPeer: Math.round(memory.heapBytesPerPeer),
    }),
    skipped: facts.skipped,
    failures: facts.failures,
  };
}
