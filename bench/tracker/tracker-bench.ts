import { ConfigError } from '../../src/errors.ts';
import { thisMachine } from '../report/index.ts';
import type { TrackerBenchConfig } from './config.ts';
import { missingLoad } from './load.ts';
import { measureMemory } from './memory.ts';
import {
  toResult,
  type Contender,
  type Failure,
  type Skipped,
  type TrackerBenchResult,
} from './result.ts';
import { runOnce, type TrackerFigures } from './run-once.ts';
import { allTrackers } from './trackers/index.ts';

export interface TrackerBenchOptions {
  readonly signal: AbortSignal;
  /** What goes on, a line at a time. */
  readonly say: (text: string) => void;
}

/** Compares trackers on this machine. @throws ConfigError when it can't */
export async function runTrackerBench(
  config: TrackerBenchConfig,
  { signal, say }: TrackerBenchOptions,
): Promise<TrackerBenchResult> {
  const machine = thisMachine();
  if (machine.cores < 2) {
    throw new ConfigError(
      'CONFIG_INVALID',
      'this needs two cores: one for trackers, one for the load',
    );
  }
  const skipped: Skipped[] = [];
  const contenders = plan(config, skipped);
  for (const { name, reason } of skipped) say(`skipped: ${name}: ${reason}`);
  const failures: Failure[] = [];
  for (let round = 0; round < config.rounds; round++) {
    await runRound(contenders, round, config, { signal, say, failures });
  }
  const memory = await measureMemory(config, { signal });
  return toResult(contenders, memory, { machine, skipped, failures });
}

function plan(config: TrackerBenchConfig, skipped: Skipped[]): Contender[] {
  const ways = config.ways.filter((name) => {
    // All peers are made known by UDP.
    const reason = missingLoad(name);
    if (reason !== undefined) skipped.push({ name, reason });
    return reason === undefined;
  });
  const trackers = allTrackers.filter((tracker) => {
    const reason = tracker.missing();
    if (reason !== undefined) skipped.push({ name: tracker.name, reason });
    return reason === undefined;
  });
  return ways.flatMap((way) =>
    trackers
      .filter((tracker) => tracker.ways.includes(way))
      .map((tracker) => ({ tracker, way, rounds: new Map<number, TrackerFigures>() })),
  );
}

/** Each in turn; each round begins with another. Who fails is left out of the rounds to come. */
async function runRound(
  contenders: readonly Contender[],
  round: number,
  config: TrackerBenchConfig,
  { signal, say, failures }: TrackerBenchOptions & { failures: Failure[] },
): Promise<void> {
  const first = round % Math.max(1, contenders.length);
  for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
    signal.throwIfAborted();
    const { tracker, way, rounds } = contender;
    if (failures.some((failure) => failure.name === tracker.name && failure.way === way)) continue;
    const what = `${tracker.name}, ${way}, round ${round + 1}`;
    try {
      const figures = await runOnce(tracker, way, config, { signal });
      rounds.set(round, figures);
      say(`${what}: ${describe(figures)}`);
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      failures.push({ name: tracker.name, way, round: round + 1, message });
      say(`FAILED: ${what}: ${message}`);
    }
  }
}

const describe = (figures: TrackerFigures): string =>
  `${figures.announcesPerSecond.toFixed(0)} announces/s, p99 ${figures.p99Ms.toFixed(1)} ms, ${percent(figures.busy)} of a core (load ${percent(figures.loadBusy)}): ${figures.announcesPerCpuSecond.toFixed(0)} a CPU second`;

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
