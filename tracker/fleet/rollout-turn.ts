import {
  act,
  createRollout,
  decide,
  isMoving,
  parsePlan,
  unavailableHosts,
  type FleetView,
  type RolloutEvent,
  type RolloutState,
} from '../../src/policy/index.ts';
import type { Release } from '../../src/trust/index.ts';
import type { AuditRecord } from '../audit/index.ts';
import type { HostTable } from './host-table.ts';
import type { ChannelRollouts } from './rollout-table.ts';
import { newStored, type StoredRollout } from './stored-rollout.ts';

/** What is decided about a channel at one moment: pure but for what it is told of the hosts. */

export interface Turn {
  readonly after: Omit<ChannelRollouts, 'revision'>;
  readonly events: readonly RolloutEvent[];
  /** Whether something is to be stored. */
  readonly isChanged: boolean;
  /** Which release has taken the place of which, by their numbers. */
  readonly superseding?: Readonly<Record<'supersedes' | 'supersededBy', number>> | undefined;
  readonly lookAgainAtMs: number | undefined;
}

/** Of so many rollouts of a channel it is remembered whom they have left under way. */
const mostEarlier = 8;
/** Higher ones are a host's mistake, or worse. */
const mostEpoch = 2 ** 40;

type Hosts = Pick<HostTable, 'fleet'>;

/** The fleet as one rollout sees it. */
const viewOf = (
  hosts: Hosts,
  { app, channel }: Pick<ChannelRollouts, 'app' | 'channel'>,
  { state }: StoredRollout,
  unavailable: readonly string[] = [],
): FleetView => ({ hosts: hosts.fleet(app, channel, state.release), unavailable });

/** The hosts of an app that are unavailable for its rollouts, but for one of them. */
function unavailableBeside(
  hosts: Hosts,
  channels: readonly Omit<ChannelRollouts, 'revision'>[],
  rollout: StoredRollout,
): string[] {
  const all = new Set<string>();
  for (const one of channels) {
    for (const other of [one.rollout, ...one.earlier]) {
      if (other.state.id === rollout.state.id) continue;
      for (const id of unavailableHosts(other.state, viewOf(hosts, one, other))) all.add(id);
    }
  }
  return [...all];
}

/** The fleet as the newest rollout of a channel sees it. */
export const fleetOf = (
  hosts: Hosts,
  channel: Omit<ChannelRollouts, 'revision'>,
  ofApp: readonly Omit<ChannelRollouts, 'revision'>[],
): FleetView =>
  viewOf(hosts, channel, channel.rollout, unavailableBeside(hosts, ofApp, channel.rollout));

/** Decides about all rollouts of a channel, the oldest first. @param others of the same app */
export function takeTurn(
  hosts: Hosts,
  before: Omit<ChannelRollouts, 'revision'>,
  others: readonly Omit<ChannelRollouts, 'revision'>[],
  nowMs: number,
): Turn {
  let after = before;
  const events: RolloutEvent[] = [];
  let lookAgainAtMs = Infinity;
  for (const rollout of [...before.earlier, before.rollout]) {
    const fleet = fleetOf(hosts, { ...after, rollout }, [...others, after]);
    const decision = decide(rollout.state, fleet, nowMs);
    events.push(...decision.events);
    lookAgainAtMs = Math.min(lookAgainAtMs, decision.lookAgainAtMs ?? Infinity);
    if (decision.state !== rollout.state) after = withState(after, rollout, decision.state);
  }
  const earlier = after.earlier.filter(isOpen).slice(-mostEarlier);
  if (earlier.length < after.earlier.length) after = { ...after, earlier };
  return {
    after,
    events,
    isChanged: after !== before,
    lookAgainAtMs: lookAgainAtMs === Infinity ? undefined : lookAgainAtMs,
  };
}

const isOpen = ({ state }: StoredRollout): boolean => Object.values(state.hosts).some(isMoving);

export function withState(
  all: Omit<ChannelRollouts, 'revision'>,
  rollout: StoredRollout,
  state: RolloutState,
): Omit<ChannelRollouts, 'revision'> {
  const swap = (one: StoredRollout) =>
    one.head.number === rollout.head.number ? { ...one, state } : one;
  return { ...all, rollout: swap(all.rollout), earlier: all.earlier.map(swap) };
}

/**
 * What a release makes of a channel: a rollout by its plan. The one before it is stopped where it is,
 * and decided once more, so that what it permitted is taken back below the new epochs.
 * @returns undefined when there is nothing to be done
 * @throws ConfigError CONFIG_INVALID for a plan that can't be read here
 */
export function takeRelease(
  hosts: Hosts,
  before: ChannelRollouts | undefined,
  release: Release,
  nowMs: number,
): Turn | undefined {
  const { app, channel } = release;
  if (before !== undefined && release.release <= before.rollout.head.number) return undefined;
  const plan = release.rollout === undefined ? undefined : parsePlan(release.rollout);
  const events: RolloutEvent[] = [];
  const superseding = before && {
    supersedes: before.rollout.head.number,
    supersededBy: release.release,
  };
  const stopped = before && superseded(hosts, before, nowMs, events);
  if (plan === undefined) {
    const isChanged = stopped !== undefined && stopped.state !== before?.rollout.state;
    if (!isChanged || before === undefined) return undefined;
    const after = withState(before, before.rollout, stopped.state);
    return { after, events, isChanged, superseding, lookAgainAtMs: nowMs };
  }
  const state = createRollout({
    id: `${app}/${channel}/${release.release}`,
    release: release.imageId,
    plan,
    epoch: Math.max(stopped?.state.epoch ?? 0, heardEpoch(hosts, release)),
    nowMs,
  });
  const { release: number, version } = release;
  const head = { number, version, startedAt: new Date(nowMs).toISOString() };
  const earlier = [...(before?.earlier ?? []), ...(stopped ? [stopped] : [])];
  return {
    after: { app, channel, rollout: newStored(head, state), earlier },
    events,
    isChanged: true,
    superseding,
    lookAgainAtMs: nowMs,
  };
}

function superseded(
  hosts: Hosts,
  before: ChannelRollouts,
  nowMs: number,
  events: RolloutEvent[],
): StoredRollout {
  const { rollout } = before;
  const { phase, goesBack } = rollout.state;
  if (phase === 'aborted' && !goesBack) return rollout;
  const aborted = act(rollout.state, { type: 'abort', goBack: false }, nowMs);
  if ('refused' in aborted) throw new Error(`an abort is never refused: ${aborted.refused}`);
  const stopReason = rollout.state.stopReason ?? 'superseded';
  const view = viewOf(hosts, before, rollout);
  const decision = decide({ ...aborted.state, stopReason }, view, nowMs);
  // That it was stopped is what the entry of the release says: no operator has done that.
  events.push(...decision.events);
  return { ...rollout, state: decision.state };
}

/** After the store was lost, or restored from a backup, hosts have heard of more than it has. */
const heardEpoch = (hosts: Hosts, { app, channel, imageId }: Release): number =>
  hosts
    .fleet(app, channel, imageId)
    .map(({ report }) => report?.epoch ?? 0)
    .filter((epoch) => epoch <= mostEpoch)
    .reduce((most, epoch) => Math.max(most, epoch), 0);

/** An entry of the audit log: of events that are about hosts, how many. */
export function recordOf(
  action: string,
  { app, channel, rollout }: Omit<ChannelRollouts, 'revision'>,
  events: readonly RolloutEvent[],
  actor = 'tracker',
  superseding: Turn['superseding'] = undefined,
): AuditRecord {
  const { number, version } = rollout.head;
  const detail: Record<string, string | number | boolean> = {
    release: number,
    version,
    phase: rollout.state.phase,
    epoch: rollout.state.epoch,
    ...superseding,
  };
  for (const event of events) {
    const failure = event.type === 'failed' ? `.${event.failure}` : '';
    const name = `${event.type}${failure}`;
    if ('host' in event) detail[name] = Number(detail[name] ?? 0) + 1;
    else if ('hosts' in event) detail[name] = event.hosts.length;
    else if ('wave' in event) detail[name] = event.wave + 1;
    else if ('reason' in event) detail[name] = event.reason;
    else detail[name] = true;
  }
  return { actor, action, subject: `${app}/${channel}`, outcome: 'done', detail };
}
