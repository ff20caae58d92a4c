import type { FleetRollout, FleetRolloutHost } from '../../src/api/index.ts';
import {
  rolloutStatus,
  standingOf,
  type HostView,
  type RolloutState,
} from '../../src/policy/index.ts';
import type { ChannelRollouts } from './rollout-table.ts';
import type { RolloutDriver } from './rollouts.ts';

/** A rollout as operators see it. */
export function describeRollout(
  found: ChannelRollouts,
  driver: Pick<RolloutDriver, 'fleetOf' | 'supersededBy'>,
  nowMs: number,
): FleetRollout {
  const { app, channel, rollout } = found;
  const { head, state } = rollout;
  const fleet = driver.fleetOf(found);
  const supersededBy = driver.supersededBy(found);
  const { waitsFor, phases, standings, ...numbers } = rolloutStatus(state, fleet, nowMs);
  return {
    app,
    channel,
    release: head.number,
    version: head.version,
    imageId: state.release,
    startedAt: head.startedAt,
    phase: state.phase,
    ...(state.stopReason === undefined ? {} : { stopReason: state.stopReason }),
    ...(supersededBy === undefined ? {} : { supersededBy }),
    goesBack: state.goesBack,
    wave: state.wave + 1,
    waves: state.plan.waves.length,
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...numbers,
    phases: { ...phases },
    standings: { ...standings },
  };
}

/** One host of a rollout. */
export function describeHost(host: HostView, state: RolloutState, nowMs: number): FleetRolloutHost {
  const entry = Object.hasOwn(state.hosts, host.id) ? state.hosts[host.id] : undefined;
  const { pin, report, unreachableSinceMs } = host;
  return {
    peerId: host.id,
    labels: { ...host.labels },
    standing: standingOf(host, state, nowMs),
    ...(entry === undefined ? {} : { phase: entry.phase }),
    ...(entry?.failure === undefined ? {} : { failure: entry.failure }),
    ...(pin === undefined ? {} : { pin }),
    isHeld: host.isHeld,
    ...(unreachableSinceMs === undefined
      ? {}
      : { unreachableSince: new Date(unreachableSinceMs).toISOString() }),
    ...(report?.release === undefined ? {} : { imageId: report.release }),
    ...(report === undefined ? {} : { state: report.state }),
    ...(report?.unmet === undefined ? {} : { unmet: [...report.unmet] }),
    ...(report?.reason === undefined ? {} : { reason: report.reason }),
  };
}
