import { isMoving } from './rollout-limit.ts';
import { isTooMany } from './rollout-plan.ts';
import type { RolloutDraft } from './rollout-draft.ts';
import { afterReport } from './rollout-report.ts';
import type { HostEntry, HostView } from './rollout-state.ts';

/** Takes in what hosts reported, who has left, and which deadlines have passed. */
export function learn(draft: RolloutDraft): void {
  const present = new Set(draft.fleet.hosts.map(({ id }) => id));
  for (const id of Object.keys(draft.state.hosts)) {
    if (present.has(id)) continue;
    draft.setEntry(id, undefined);
    draft.events.push({ type: 'left', host: id });
  }
  for (const [host, entry] of draft.entries()) {
    watchDeadline(draft, host, takeReport(draft, host, entry));
  }
}

function takeReport(draft: RolloutDraft, host: HostView, entry: HostEntry): HostEntry {
  if (host.report === undefined) return entry;
  const next = afterReport(entry, host.report, draft.state.release, draft.nowMs);
  if (next === entry) return entry;
  draft.setEntry(host.id, next);
  const { phase, failure } = next;
  if (
    phase !== entry.phase &&
    (phase === 'activating' || phase === 'healthy' || phase === 'back')
  ) {
    draft.events.push({ type: phase, host: host.id });
  }
  if (failure !== undefined && entry.failure === undefined) {
    draft.events.push({ type: 'failed', host: host.id, failure });
  }
  return next;
}

/** A deadline runs also while the rollout is paused: the host that it is about moves all the same. */
function watchDeadline(draft: RolloutDraft, host: HostView, entry: HostEntry): void {
  const { deadlineMs } = draft.state.plan;
  const lostSinceMs = entry.phase === 'healthy' ? host.unreachableSinceMs : undefined;
  if (entry.failure === 'lost' && lostSinceMs === undefined) {
    draft.setEntry(host.id, { ...entry, failure: undefined });
    return;
  }
  if (entry.failure !== undefined) return;
  const sinceMs = isMoving(entry) ? entry.sinceMs : lostSinceMs;
  if (sinceMs === undefined) return;
  if (draft.nowMs < sinceMs + deadlineMs) {
    draft.wake(sinceMs + deadlineMs);
    return;
  }
  const failed = draft.fail(host, entry, lostSinceMs === undefined ? 'late' : 'lost');
  if (failed.phase === 'permitted') draft.order(host, failed, 'recalled', failed.sinceMs);
}

/** Stops the rollout when too many have failed, or nothing has gone on for too long. */
export function judge(draft: RolloutDraft): void {
  const { phase, plan, stalledSinceMs } = draft.state;
  if (phase !== 'running' && phase !== 'paused') return;
  let failures = 0;
  let moved = 0;
  for (const [, entry] of draft.entries()) {
    if (entry.failure !== undefined) failures += 1;
    if (entry.failure !== undefined || entry.phase === 'healthy') moved += 1;
  }
  if (isTooMany(plan.abortOn, failures, moved)) {
    draft.stop('failures', plan.goBackOnAbort);
  } else if (stalledSinceMs !== undefined && draft.nowMs >= stalledSinceMs + plan.deadlineMs) {
    draft.stop('deadline', plan.goBackOnAbort);
  }
}
