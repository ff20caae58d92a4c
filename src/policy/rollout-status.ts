import { isMoving, Room } from './rollout-limit.ts';
import { waveSizes } from './rollout-plan.ts';
import { Standings, type Standing } from './rollout-standing.ts';
import type { FleetView, HostPhase, RolloutState } from './rollout-state.ts';

/**
 * What a rollout waits for. `hosts`: those on their way. `room`: too many are unavailable.
 * `failures`: its own failed hosts keep it from going on, and its deadline runs. `images`: hosts that
 * fetch. `settings`: hosts that lack values which the image needs. `windows`, `unreachable`: hosts that can't move before.
 */
export type WaitsFor =
  | 'operator'
  | 'hosts'
  | 'gate'
  | 'failures'
  | 'room'
  | 'images'
  | 'settings'
  | 'windows'
  | 'unreachable';

/** How a rollout does, for people. */
export interface RolloutStatus {
  readonly waitsFor: WaitsFor | undefined;
  /** How many hosts have been tried, may have been by now, and are meant in all. */
  readonly tried: number;
  readonly open: number;
  readonly total: number;
  /** How many hosts count as unavailable, and how many may. */
  readonly unavailable: number;
  readonly limit: number;
  /** How many hosts have failed, and are in each phase, of those that were tried. */
  readonly failures: number;
  readonly phases: Readonly<Partial<Record<HostPhase, number>>>;
  /** Where all hosts stand. */
  readonly standings: Readonly<Partial<Record<Standing, number>>>;
}

export function rolloutStatus(state: RolloutState, fleet: FleetView, nowMs: number): RolloutStatus {
  const standings = new Standings(state, fleet, nowMs);
  const room = new Room(state, fleet);
  const entries = fleet.hosts.flatMap(({ id }) => state.hosts[id] ?? []);
  const { total } = standings;
  const sizes = waveSizes(state.plan, total);
  return {
    waitsFor: waitsFor(state, standings, entries.some(isMoving)),
    tried: standings.of('tried').length,
    open: state.phase === 'done' ? total : (sizes[state.wave] ?? total),
    total,
    unavailable: room.unavailable.size,
    limit: room.limit,
    failures: entries.filter(({ failure }) => failure !== undefined).length,
    phases: counted(entries.map(({ phase }) => phase)),
    standings: standings.counts,
  };
}

function waitsFor(
  state: RolloutState,
  standings: Standings,
  isAnybodyMoving: boolean,
): WaitsFor | undefined {
  if (state.phase === 'paused') return 'operator';
  if (state.phase === 'aborted') return undefined;
  if (state.stalledSinceMs !== undefined) return 'failures';
  if (isAnybodyMoving || state.phase === 'goingBack') return 'hosts';
  if (state.healthySinceMs !== undefined) return 'gate';
  const others: [Standing, WaitsFor][] = [
    ['due', 'room'],
    ['fetching', 'images'],
    ['unmet', 'settings'],
    ['outsideWindow', 'windows'],
    ['unreachable', 'unreachable'],
  ];
  return others.find(([standing]) => standings.of(standing).length > 0)?.[1];
}

function counted<Name extends string>(names: readonly Name[]): Partial<Record<Name, number>> {
  const counts: Partial<Record<Name, number>> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
