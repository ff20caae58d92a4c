import type { RolloutDraft } from './rollout-draft.ts';
import { isMoving } from './rollout-limit.ts';
import { waveSizes } from './rollout-plan.ts';
import { Standings } from './rollout-standing.ts';

/** Opens the next wave when those that are open have been wholly healthy for the gate. */
export function advance(draft: RolloutDraft): void {
  if (draft.state.phase !== 'running') return;
  const standings = new Standings(draft.state, draft.fleet, draft.nowMs);
  if (!isWhollyHealthy(draft, standings)) {
    if (draft.state.healthySinceMs !== undefined) draft.set({ healthySinceMs: undefined });
    return;
  }
  const { plan, wave } = draft.state;
  const isLast = wave === plan.waves.length - 1;
  if (draft.state.healthySinceMs === undefined) {
    draft.set({ healthySinceMs: draft.nowMs, isWaveFull: !isLast, stalledSinceMs: undefined });
  }
  const opensAtMs = (draft.state.healthySinceMs ?? draft.nowMs) + plan.gateMs;
  if (draft.nowMs < opensAtMs) {
    draft.wake(opensAtMs);
  } else if (!isLast) {
    openWave(draft, nextWave(draft, standings));
  } else if (standings.of('outsideWindow').length === 0) {
    draft.set({ phase: 'done', healthySinceMs: undefined });
    draft.events.push({ type: 'done' });
  }
}

/** How many hosts may have been tried in all by now. */
export function openSize(draft: RolloutDraft, standings: Standings): number {
  const { phase, plan, wave } = draft.state;
  if (phase === 'done') return standings.total;
  return waveSizes(plan, standings.total)[wave] ?? standings.total;
}

function openWave(draft: RolloutDraft, wave: number): void {
  draft.set({
    wave,
    waveSinceMs: draft.nowMs,
    isWaveFull: false,
    healthySinceMs: undefined,
    stalledSinceMs: undefined,
  });
  draft.events.push({ type: 'waveOpened', wave });
  draft.wake(draft.nowMs);
}

/** The first wave that is larger: in a small fleet some are as large as the one before. */
function nextWave(draft: RolloutDraft, standings: Standings): number {
  const { plan, wave } = draft.state;
  const sizes = waveSizes(plan, standings.total);
  const next = sizes.findIndex((size, at) => at > wave && size > (sizes[wave] ?? 0));
  return next < 0 ? plan.waves.length - 1 : next;
}

/**
 * Whether all of the open waves have been tried, and are healthy, but for those whose failure is
 * known and was not too many. Where nobody is healthy, nothing has been shown.
 */
function isWhollyHealthy(draft: RolloutDraft, standings: Standings): boolean {
  let isShown = standings.of('there').length > 0;
  for (const [host, entry] of draft.entries()) {
    if (entry.failure !== undefined) continue;
    if (isMoving(entry)) return false;
    if (entry.phase !== 'healthy') continue;
    if (host.unreachableSinceMs !== undefined) return false;
    isShown = true;
  }
  return isShown && (draft.state.isWaveFull || !isAnybodyLeft(draft, standings));
}

/** Whether some of the open waves are still to be tried. Who has no image, or lacks values, in time is not waited for. */
function isAnybodyLeft(draft: RolloutDraft, standings: Standings): boolean {
  if (standings.of('tried').length >= openSize(draft, standings)) return false;
  if (standings.of('due').length > 0) return true;
  if (standings.of('fetching').length + standings.of('unmet').length === 0) return false;
  const giveUpAtMs = draft.state.waveSinceMs + draft.state.plan.deadlineMs;
  if (draft.nowMs >= giveUpAtMs) return false;
  draft.wake(giveUpAtMs);
  return true;
}

/**
 * Notes since when the rollout can't go on because of its own failed hosts: they take up all the
 * room, or the open waves were tried and nobody is healthy. What has other causes is waited for.
 */
export function watchStall(
  draft: RolloutDraft,
  room: { readonly isFilledByItself: boolean },
): void {
  const { phase, stalledSinceMs, healthySinceMs, plan } = draft.state;
  const isStalled =
    phase === 'running' && healthySinceMs === undefined && isStuck(draft, room.isFilledByItself);
  if (!isStalled) {
    if (stalledSinceMs !== undefined) draft.set({ stalledSinceMs: undefined });
    return;
  }
  if (stalledSinceMs === undefined) draft.set({ stalledSinceMs: draft.nowMs });
  draft.wake((stalledSinceMs ?? draft.nowMs) + plan.deadlineMs);
}

function isAnybodyHealthy(draft: RolloutDraft): boolean {
  for (const [, { phase, failure }] of draft.entries()) {
    if (phase === 'healthy' && failure === undefined) return true;
  }
  return false;
}

function isStuck(draft: RolloutDraft, isFilledByItself: boolean): boolean {
  for (const [, entry] of draft.entries()) {
    if (isMoving(entry) && entry.failure === undefined) return false;
  }
  const standings = new Standings(draft.state, draft.fleet, draft.nowMs);
  const tried = standings.of('tried').length;
  if (tried >= openSize(draft, standings)) {
    return tried > 0 && !isAnybodyHealthy(draft);
  }
  return isFilledByItself && standings.of('due').length > 0;
}
