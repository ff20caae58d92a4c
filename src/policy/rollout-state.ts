import type { RolloutPlan } from './rollout-plan.ts';

/**
 * A rollout as a whole. `done`: all who can have moved; who comes late is still permitted.
 * `goingBack`: stopped, and hosts are sent back. `aborted`: stopped, and nothing more is to be done.
 */
export type RolloutPhase = 'running' | 'paused' | 'done' | 'goingBack' | 'aborted';

/**
 * One host in a rollout. `permitted`: it may activate, and has not said that it does. `recalled`: it
 * was told to hold, and has not said that it heard so. `failed`: on the release, and not healthy.
 * `back`: on what it had before, or on nothing. The other words say what they are.
 */
export type HostPhase =
  'waiting' | 'permitted' | 'recalled' | 'activating' | 'healthy' | 'failed' | 'goingBack' | 'back';

/**
 * Why a host counts as failed. `late`: it was not healthy, or not back, by the deadline. `lost`: it
 * had moved, and has been unreachable for the deadline. `stays`: it could not be sent back.
 */
export type Failure = 'failed' | 'wentBack' | 'late' | 'lost' | 'stays';

export interface HostEntry {
  readonly phase: HostPhase;
  /** The epoch of what it was told last. */
  readonly epoch: number;
  /** The epoch of the last permit to activate that it was given. */
  readonly permit: number;
  /** Since when it is in this phase; until it is healthy, since its permit. */
  readonly sinceMs: number;
  /** The number of the report that brought it here; what is not newer says nothing. */
  readonly number: number;
  readonly failure?: Failure | undefined;
  /** Nothing ran here before, so there is nothing to be sent back to. */
  readonly isFirst?: boolean | undefined;
}

/** The hard state of a rollout: plain JSON. Nothing that it orders may be sent before it is stored. */
export interface RolloutState {
  readonly id: string;
  /** The image id of the release. */
  readonly release: string;
  readonly plan: RolloutPlan;
  readonly phase: RolloutPhase;
  /** Why it was stopped. */
  readonly stopReason?: StopReason | undefined;
  /** The last epoch that was given out; it only grows. */
  readonly epoch: number;
  /** The newest wave that is open, counted from 0, and since when. */
  readonly wave: number;
  readonly waveSinceMs: number;
  /** Whether all of the wave have been tried: who comes now waits for the next one. */
  readonly isWaveFull: boolean;
  /** Since when the open waves are wholly healthy. */
  readonly healthySinceMs?: number | undefined;
  /** Since when its own failed hosts keep the rollout from going on. */
  readonly stalledSinceMs?: number | undefined;
  /** Whether hosts that moved are to go back. */
  readonly goesBack: boolean;
  /** The hosts that were ever permitted, by id. */
  readonly hosts: Readonly<Record<string, HostEntry>>;
}

export type StopReason = 'failures' | 'deadline' | 'operator' | 'superseded';

/** What a host said last about this app and channel. */
export interface HostReport {
  /** Grows with every report of a host, also over its restarts: doubled and late ones are known by it. */
  readonly number: number;
  /** The highest epoch that it has heard of. It never acts on a lower one again. */
  readonly epoch: number;
  /** The highest epoch that it has acted on; it acts on each at most once. */
  readonly acted: number;
  /** The image id that is current, or is being activated; undefined: nothing was ever healthy here. */
  readonly release?: string | undefined;
  /** `wentBack`: its last activation failed, and what it had before is back and healthy. */
  readonly state: 'empty' | 'activating' | 'healthy' | 'failed' | 'wentBack';
  /** Whether it has the rollout's image. */
  readonly isPrefetched: boolean;
  /** Which of the needs of the rollout's image are not met: it can't begin before they are. */
  readonly unmet?: readonly string[] | undefined;
  /** Why it is not on its newest release, for people. */
  readonly reason?: string | undefined;
}

export interface HostView {
  readonly id: string;
  /** Its labels, `zone` and `rack` among them. */
  readonly labels: Readonly<Record<string, string>>;
  /** The image id that it shall stay on, whatever is released. */
  readonly pin?: string | undefined;
  /** It shall do nothing. */
  readonly isHeld: boolean;
  /** Since when no tracker hears it; undefined: it is heard. */
  readonly unreachableSinceMs?: number | undefined;
  readonly report?: HostReport | undefined;
}

export interface FleetView {
  /** Every member that follows the channel, heard or not: one that is missing here has left the fleet. */
  readonly hosts: readonly HostView[];
  /** Hosts of the app that are unavailable for reasons of others, as other rollouts (`unavailableHosts`). */
  readonly unavailable: readonly string[];
}

/** What a host is told. A host ignores what has a lower epoch than it has heard of. */
export interface Permit {
  readonly host: string;
  readonly release: string;
  readonly action: 'activate' | 'hold' | 'goBack';
  readonly epoch: number;
  /** In fleet time: an activation must not begin later. Given anew while it holds. */
  readonly validUntilMs: number;
}

/** What happened, for the audit log. Waves count from 0. */
export type RolloutEvent =
  | {
      readonly type: 'permitted' | 'recalled' | 'sentBack';
      readonly host: string;
      readonly epoch: number;
    }
  | { readonly type: 'activating' | 'healthy' | 'back' | 'left'; readonly host: string }
  | { readonly type: 'failed'; readonly host: string; readonly failure: Failure }
  | { readonly type: 'waveOpened' | 'promoted'; readonly wave: number }
  | { readonly type: 'stopped'; readonly reason: StopReason; readonly goesBack: boolean }
  | { readonly type: 'paused' | 'resumed' | 'done' | 'ended' }
  | { readonly type: 'retried'; readonly hosts: readonly string[] };

/**
 * How long a permit lasts. Five seconds are promised; the rest is for what a host's idea of fleet
 * time may be wrong.
 */
export const permitLeaseMs = 4_000;

/** A rollout that is about to begin. */
export function createRollout(init: {
  readonly id: string;
  readonly release: string;
  readonly plan: RolloutPlan;
  /**
   * The epoch of the channel's rollout before it, after that was aborted and decided once more, so
   * that its permits are taken back by lower epochs; 0: there was none.
   */
  readonly epoch: number;
  readonly nowMs: number;
}): RolloutState {
  const { nowMs, ...rest } = init;
  return {
    ...rest,
    phase: 'running',
    wave: 0,
    waveSinceMs: nowMs,
    isWaveFull: false,
    goesBack: false,
    hosts: {},
  };
}
