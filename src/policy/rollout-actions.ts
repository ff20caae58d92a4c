import { stopped } from './rollout-draft.ts';
import { isMoving } from './rollout-limit.ts';
import type { HostEntry, RolloutEvent, RolloutState } from './rollout-state.ts';

/** What an operator may do to a rollout. */
export type RolloutAction =
  | { readonly type: 'pause' | 'resume' }
  /** Stops it for good. `goBack` says, instead of the plan, whether who had moved is sent back. */
  | { readonly type: 'abort'; readonly goBack?: boolean | undefined }
  /** Opens the next wave, or all, without waiting for the gate. Limits hold as before. */
  | { readonly type: 'promote'; readonly waves: 'next' | 'all' }
  /** Lets hosts that failed try again: these, or all. */
  | { readonly type: 'retry'; readonly hosts?: readonly string[] | undefined };

/** What an action made of the state, or why it can't be done now. */
export type ActionResult =
  | { readonly state: RolloutState; readonly events: readonly RolloutEvent[] }
  | { readonly refused: string };

/**
 * Does what an operator says. The state is to be stored before it is acknowledged. From then on no
 * decision of a rollout that was paused or aborted permits anything; what was permitted before has
 * to begin within `permitLeaseMs`. An action that has been done already changes nothing.
 */
export function act(state: RolloutState, action: RolloutAction, nowMs: number): ActionResult {
  switch (action.type) {
    case 'pause':
      return pause(state);
    case 'resume':
      return resume(state, nowMs);
    case 'abort':
      return abort(state, action.goBack ?? state.plan.goBackOnAbort, action.goBack !== undefined);
    case 'promote':
      return promote(state, action.waves, nowMs);
    case 'retry':
      return retry(state, action.hosts, nowMs);
  }
}

const hasEnded = ({ phase }: RolloutState): boolean => phase === 'goingBack' || phase === 'aborted';

const unchanged = (state: RolloutState): ActionResult => ({ state, events: [] });

const refused = (what: string, why: string): ActionResult => ({
  refused: `this rollout can't be ${what}: ${why}`,
});

const startAnew = 'it was stopped; release again to start another one';

function pause(state: RolloutState): ActionResult {
  if (state.phase === 'paused') return unchanged(state);
  if (hasEnded(state)) return refused('paused', startAnew);
  if (state.phase === 'done') return refused('paused', 'it is done; hold hosts that should wait');
  const clocks = { healthySinceMs: undefined, stalledSinceMs: undefined };
  return { state: { ...state, ...clocks, phase: 'paused' }, events: [{ type: 'paused' }] };
}

function resume(state: RolloutState, nowMs: number): ActionResult {
  if (hasEnded(state)) return refused('resumed', startAnew);
  if (state.phase !== 'paused') return unchanged(state);
  return {
    state: { ...state, phase: 'running', waveSinceMs: nowMs },
    events: [{ type: 'resumed' }],
  };
}

/** Valid in every state. When it was stopped already, only an explicit word changes who goes back. */
function abort(state: RolloutState, goesBack: boolean, isExplicit: boolean): ActionResult {
  if (hasEnded(state) && (!isExplicit || goesBack === state.goesBack)) return unchanged(state);
  return {
    state: { ...state, ...stopped('operator', goesBack) },
    events: [{ type: 'stopped', reason: 'operator', goesBack }],
  };
}

function promote(state: RolloutState, waves: 'next' | 'all', nowMs: number): ActionResult {
  if (hasEnded(state)) return refused('promoted', startAnew);
  const last = state.plan.waves.length - 1;
  if (state.phase === 'done' || state.wave === last) return unchanged(state);
  const wave = waves === 'all' ? last : state.wave + 1;
  const clocks = { waveSinceMs: nowMs, healthySinceMs: undefined, stalledSinceMs: undefined };
  return {
    state: { ...state, ...clocks, wave, isWaveFull: false },
    events: [{ type: 'promoted', wave }],
  };
}

function retry(
  state: RolloutState,
  chosen: readonly string[] | undefined,
  nowMs: number,
): ActionResult {
  if (hasEnded(state)) return refused('retried', startAnew);
  const among = chosen && new Set(chosen);
  const failed = Object.entries(state.hosts).filter(
    ([id, { failure }]) => failure !== undefined && failure !== 'lost' && (among?.has(id) ?? true),
  );
  if (failed.length === 0) return unchanged(state);
  const hosts = { ...state.hosts };
  for (const [id, entry] of failed) hosts[id] = triedAgain(entry, nowMs);
  const clocks = { healthySinceMs: undefined, stalledSinceMs: undefined };
  return {
    state: { ...state, ...clocks, hosts, isWaveFull: false },
    events: [{ type: 'retried', hosts: failed.map(([id]) => id) }],
  };
}

/** One that is on its way, for all that is known, gets the time once more. */
const triedAgain = (entry: HostEntry, nowMs: number): HostEntry => ({
  ...entry,
  phase: isMoving(entry) || entry.phase === 'failed' ? entry.phase : 'waiting',
  failure: undefined,
  sinceMs: nowMs,
});
