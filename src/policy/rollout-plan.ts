import { ConfigError } from '../errors.ts';
import type { MaintenanceWindow } from './rollout-window.ts';

/** A number of hosts: so many, or a share of those that are meant. Both are above 0. */
export type Amount = { readonly count: number } | { readonly percent: number };

/** How a release spreads over the hosts that follow its channel. */
export interface RolloutPlan {
  /** How many hosts have been tried, in all, when a wave is done. Ascending; the last is 100 %. */
  readonly waves: readonly Amount[];
  /** How many of all hosts may be unavailable at a time before no other is moved. */
  readonly maxUnavailable: Amount;
  /** So long a wave must be wholly healthy before the next one opens. */
  readonly gateMs: number;
  /**
   * So long a host has from its permit until it is healthy, or it counts as failed. A rollout that
   * its own failed hosts keep from going on for so long is stopped.
   */
  readonly deadlineMs: number;
  /** The rollout is stopped when so many hosts, or such a share of those that moved, have failed. */
  readonly abortOn: Amount;
  /** Whether hosts that had moved are sent back when the rollout is stopped. */
  readonly goBackOnAbort: boolean;
  /** When hosts may move. One that no window is about may move at any time. */
  readonly windows: readonly MaintenanceWindow[];
}

export const defaultRolloutPlan: RolloutPlan = {
  waves: [{ count: 1 }, { percent: 10 }, { percent: 50 }, { percent: 100 }],
  maxUnavailable: { percent: 5 },
  gateMs: 60_000,
  deadlineMs: 600_000,
  abortOn: { percent: 2 },
  goBackOnAbort: true,
  windows: [],
};

/** What a plan may hold at most. */
export const planBounds = {
  waves: 32,
  windows: 64,
  hostsOfWindow: 1_000,
  intervalsOfWindow: 64,
  count: 1_000_000,
  durationMs: 30 * 86_400_000,
} as const;

/**
 * So many hosts of `total`: a share is rounded down, but is at least one host where there is one.
 * It is never more than there are.
 */
export function sizeOf(amount: Amount, total: number): number {
  if ('count' in amount) return Math.min(amount.count, total);
  // 29 % of 100 is 28.999999999999996 in floating point.
  const share = Math.floor((total * amount.percent) / 100 + 1e-9);
  return Math.min(Math.max(share, 1), total);
}

/** How many hosts have been tried in all when each wave is done; never descending. */
export function waveSizes(plan: RolloutPlan, total: number): number[] {
  let size = 0;
  return plan.waves.map((wave) => (size = Math.max(size, sizeOf(wave, total))));
}

/** Whether so many failures among those that moved stop a rollout. */
export function isTooMany(abortOn: Amount, failures: number, moved: number): boolean {
  if (failures === 0) return false;
  if ('count' in abortOn) return failures >= abortOn.count;
  return failures * 100 >= abortOn.percent * moved - 1e-9;
}

/**
 * Refuses a plan that can't be meant.
 * @throws ConfigError CONFIG_INVALID
 */
export function checkPlan(plan: RolloutPlan): RolloutPlan {
  checkWaves(plan.waves);
  checkAmount('max-unavailable', plan.maxUnavailable);
  checkAmount('abort-on', plan.abortOn);
  const { gateMs, deadlineMs, windows } = plan;
  const isDuration = (ms: number) => Number.isInteger(ms) && ms >= 0 && ms <= planBounds.durationMs;
  if (!isDuration(gateMs)) throw invalid('the gate of a rollout is from 0 s to 30 d');
  if (!isDuration(deadlineMs) || deadlineMs < 1_000) {
    throw invalid('the deadline of a rollout is from 1 s to 30 d');
  }
  if (windows.length > planBounds.windows) {
    throw invalid(`a rollout has at most ${planBounds.windows} windows`);
  }
  return plan;
}

function checkWaves(waves: readonly Amount[]): void {
  if (waves.length > planBounds.waves) {
    throw invalid(`a rollout has at most ${planBounds.waves} waves`);
  }
  for (const wave of waves) checkAmount('a wave', wave);
  const counts = waves.flatMap((wave) => ('count' in wave ? [wave.count] : []));
  const percents = waves.flatMap((wave) => ('percent' in wave ? [wave.percent] : []));
  if (!isAscending(counts) || !isAscending(percents)) {
    throw invalid('each wave is larger than the one before it, as in waves=1,10%,50%,100%');
  }
  const last = waves.at(-1);
  if (last === undefined || !('percent' in last) || last.percent !== 100) {
    throw invalid('the last wave is 100%, as in waves=1,10%,50%,100%: else some would never move');
  }
}

const isAscending = (values: readonly number[]): boolean =>
  values.every((value, at) => at === 0 || value > (values[at - 1] ?? 0));

function checkAmount(what: string, amount: Amount): void {
  if ('count' in amount) {
    const { count } = amount;
    if (Number.isInteger(count) && count >= 1 && count <= planBounds.count) return;
    throw invalid(`${what}: ${count} is not a number of hosts from 1 to ${planBounds.count}`);
  }
  const { percent } = amount;
  if (percent > 0 && percent <= 100) return;
  throw invalid(`${what}: ${percent}% is not a share above 0% and up to 100%`);
}

const invalid = (message: string): ConfigError => new ConfigError('CONFIG_INVALID', message);
