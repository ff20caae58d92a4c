import { RolloutDraft } from './rollout-draft.ts';
import { judge, learn } from './rollout-learn.ts';
import { permit, permitsOf, recall, sendBack, settle } from './rollout-orders.ts';
import type { FleetView, Permit, RolloutEvent, RolloutState } from './rollout-state.ts';
import { advance, watchStall } from './rollout-wave.ts';

export interface RolloutDecision {
  /** The very state that was given when nothing has to be stored. */
  readonly state: RolloutState;
  /** Whose entries in it changed, came or went: for who stores a large rollout in parts. */
  readonly changedHosts: readonly string[];
  /** What hosts have to be told now; to be sent when the state is stored, and not before. */
  readonly permits: readonly Permit[];
  readonly events: readonly RolloutEvent[];
  /** When to decide again if nothing is heard before; undefined: not by the clock. */
  readonly lookAgainAtMs: number | undefined;
}

/**
 * Decides what hosts may do now. To be called when anything is reported, comes or goes, after every
 * action of an operator, and at `lookAgainAtMs`. Called twice with the same arguments it decides
 * the same. Rollouts of one app are decided one after the other, each told of what the ones
 * before have made unavailable.
 * @param nowMs fleet time, in milliseconds since 1970
 */
export function decide(state: RolloutState, fleet: FleetView, nowMs: number): RolloutDecision {
  const draft = new RolloutDraft(state, fleet, nowMs);
  learn(draft);
  judge(draft);
  advance(draft);
  recall(draft);
  sendBack(draft);
  watchStall(draft, permit(draft));
  settle(draft);
  const permits = permitsOf(draft);
  const { state: next, changedHosts, events, lookAgainAtMs } = draft;
  return { state: next, changedHosts, permits, events, lookAgainAtMs };
}
