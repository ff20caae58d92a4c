import type { RolloutDraft } from './rollout-draft.ts';
import { isMoving, Room } from './rollout-limit.ts';
import { isFixed, obstacleOf, Standings, type FixableHost } from './rollout-standing.ts';
import { openSize } from './rollout-wave.ts';
import { nextOpeningMs } from './rollout-window.ts';
import {
  permitLeaseMs,
  type HostEntry,
  type HostView,
  type Permit,
  type RolloutState,
} from './rollout-state.ts';

/** A permit is given anew so often: some of them may get lost. */
const renewMs = 1_000;

const allowsMoves = ({ phase }: RolloutState): boolean => phase === 'running' || phase === 'done';

/** Takes back permits that nobody has acted on: of a rollout that stands still, of hosts that may not move now. */
export function recall(draft: RolloutDraft): void {
  const { state } = draft;
  const room = new Room(state, draft.fleet);
  let { excess } = room;
  const others = new Set(draft.fleet.unavailable);
  const permitted = [...draft.entries()].filter(([, { phase }]) => phase === 'permitted');
  // The last who were permitted first: the others may be about to begin.
  permitted.sort(([, one], [, other]) => other.epoch - one.epoch);
  for (const [host, entry] of permitted) {
    const obstacle = obstacleOf(host, state, draft.nowMs);
    const isAmiss = obstacle !== undefined && obstacle !== 'unreachable' && obstacle !== 'there';
    const addsOne = !room.isDown(host, entry) && !others.has(host.id);
    if (!allowsMoves(state) || isAmiss || (excess > 0 && addsOne)) {
      if (addsOne) excess -= 1;
      draft.order(host, entry, 'recalled', entry.sinceMs);
    }
  }
}

/**
 * Sends back who had moved, within the same limit: going back stops the app as going on does. Who
 * is unavailable anyhow goes first.
 */
export function sendBack(draft: RolloutDraft): void {
  if (!draft.state.goesBack) return;
  const room = new Room(draft.state, draft.fleet);
  const toSend = [...draft.entries()].filter(([host, entry]) => isToSendBack(draft, host, entry));
  toSend.sort(([, one], [, other]) => urgency(one) - urgency(other));
  for (const [host, entry] of toSend) {
    if (entry.phase !== 'activating') {
      if (!room.has(host.id)) continue;
      room.take(host.id);
    }
    draft.order(host, { ...entry, failure: undefined }, 'goingBack', draft.nowMs);
  }
}

const urgency = ({ phase }: HostEntry): number => (phase === 'healthy' ? 1 : 0);

/** Who had nothing before stays: it would have nothing then. Who could not be sent back stays too. */
function isToSendBack(draft: RolloutDraft, host: HostView, entry: HostEntry): boolean {
  const { phase, failure, isFirst } = entry;
  const hasMoved = phase === 'healthy' || phase === 'failed' || phase === 'activating';
  if (!hasMoved || isFirst === true || failure === 'stays') return false;
  return host.unreachableSinceMs === undefined && !isFixed(host, draft.state.release);
}

/**
 * Gives new permits, as many as the open waves and the limit allow. While others fill the room, those
 * who are unavailable anyhow come out of their turn: nobody else can move, and it may cure them.
 * @returns the room that is left
 */
export function permit(draft: RolloutDraft): Room {
  const room = new Room(draft.state, draft.fleet);
  if (!allowsMoves(draft.state)) return room;
  const standings = new Standings(draft.state, draft.fleet, draft.nowMs);
  for (const host of standings.of('outsideWindow')) {
    draft.wake(nextOpeningMs(draft.state.plan.windows, host, draft.nowMs) ?? Infinity);
  }
  let places = openSize(draft, standings) - standings.of('tried').length;
  const due = standings.of('due');
  if (places <= 0 || draft.state.isWaveFull || !due.some(({ id }) => room.has(id))) return room;
  for (const host of standings.dueInOrder(draft.state.id)) {
    if (places === 0) break;
    if (!room.has(host.id)) continue;
    room.take(host.id);
    places -= 1;
    const entry = draft.entryOf(host) ?? newEntry(host);
    draft.order(host, entry, 'permitted', draft.nowMs);
  }
  return room;
}

const newEntry = (host: HostView): HostEntry => ({
  phase: 'waiting',
  epoch: 0,
  permit: 0,
  sinceMs: 0,
  number: 0,
  ...(host.report?.release === undefined ? { isFirst: true } : {}),
});

/** A rollout that was stopped ends when nobody is on the way any more, and nobody is to be sent back. */
export function settle(draft: RolloutDraft): void {
  if (draft.state.phase !== 'goingBack') return;
  for (const [host, entry] of draft.entries()) {
    if (host.unreachableSinceMs !== undefined) continue;
    if (isMoving(entry) && entry.failure === undefined) return;
    if (isToSendBack(draft, host, entry)) return;
  }
  draft.set({ phase: 'aborted' });
  draft.events.push({ type: 'ended' });
}

/** What has to be told to hosts now, again until they have answered. */
export function permitsOf(draft: RolloutDraft): Permit[] {
  const permits: Permit[] = [];
  for (const [host] of draft.entries()) {
    const permit = permitFor(draft.state, host, draft.nowMs);
    if (permit === undefined) continue;
    permits.push(permit);
    if (host.unreachableSinceMs === undefined) draft.wake(draft.nowMs + renewMs);
  }
  return permits;
}

/**
 * What a host has to be told by a state that is stored; undefined: nothing. A state in which it is
 * permitted may have been stopped since, and the host fixed, with nobody there to take the permit
 * back: it is not given anew then.
 * @param host what is fixed of it by now
 * @param nowMs a moment, in fleet time, at which this was the newest state, or before it
 */
export function permitFor(
  state: RolloutState,
  host: FixableHost & Pick<HostView, 'id'>,
  nowMs: number,
): Permit | undefined {
  const { id } = host;
  const { release } = state;
  const entry = Object.hasOwn(state.hosts, id) ? state.hosts[id] : undefined;
  const action = entry && actionOf[entry.phase];
  if (entry === undefined || action === undefined) return undefined;
  if (action === 'activate' && (!allowsMoves(state) || isFixed(host, release))) return undefined;
  const { epoch } = entry;
  return { host: id, release, action, epoch, validUntilMs: nowMs + permitLeaseMs };
}

const actionOf: Partial<Record<HostEntry['phase'], Permit['action']>> = {
  permitted: 'activate',
  recalled: 'hold',
  goingBack: 'goBack',
};
