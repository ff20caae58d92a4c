import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../process/index.ts';
import { quantile } from '../report/index.ts';
import type { ControlBenchConfig } from './config.ts';
import type { RunningPlane } from './control-plane.ts';

/** How long one change took, in milliseconds from right before it was sent. */
export interface ChangeTimes {
  /** Until the server said that it is durable. */
  readonly answeredMs: number;
  /** Until the callback of each host. */
  readonly toldMs: readonly number[];
}

export interface Summary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** @throws RangeError when there are none */
export const summaryOf = (valuesMs: readonly number[]): Summary => ({
  p50Ms: quantile(valuesMs, 0.5),
  p99Ms: quantile(valuesMs, 0.99),
  worstMs: quantile(valuesMs, 1),
});

/** Until each host of each change was told. */
export const allTold = (changes: readonly ChangeTimes[]): number[] =>
  changes.flatMap(({ toldMs }) => toldMs);

/** Until the last host of each change was told. */
export const lastTold = (changes: readonly ChangeTimes[]): number[] =>
  changes.map(({ toldMs }) => Math.max(...toldMs));

/**
 * Makes changes one after the other; each at all planes in turn, so that what slows the machine down
 * for a while touches all of them.
 * @returns the times of each plane, in the order of `planes`
 * @throws when a change has not arrived everywhere in time
 */
export async function measureChanges(
  planes: readonly RunningPlane[],
  init: Pick<ControlBenchConfig, 'pauseMs' | 'patienceMs'> & {
    readonly changes: number;
    /** Makes the values different from those of another call. */
    readonly prefix: string;
  },
  { signal }: { signal: AbortSignal },
): Promise<ChangeTimes[][]> {
  const times: ChangeTimes[][] = planes.map(() => []);
  for (let change = 0; change < init.changes; change++) {
    for (const [index, plane] of planes.entries()) {
      const value = `${init.prefix}-${change}:5432`;
      times[index]?.push(await measureChange(plane, value, init.patienceMs, signal));
      await delay(init.pauseMs, undefined, { signal });
    }
  }
  return times;
}

async function measureChange(
  plane: RunningPlane,
  value: string,
  patienceMs: number,
  signal: AbortSignal,
): Promise<ChangeTimes> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const told = plane.told(value, { signal: soon });
  const sentMs = monotonicMs();
  const answered = plane.change(value).then(monotonicMs);
  const [toldAtMs, answeredAtMs] = await Promise.all([told, answered]).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new Error(`${plane.name}: a change has not arrived at all hosts`, { cause });
  });
  return {
    answeredMs: answeredAtMs - sentMs,
    toldMs: toldAtMs.map((atMs) => atMs - sentMs),
  };
}
