import { waveSizes } from './rollout-plan.ts';
import { standingOf, Standings, type Standing } from './rollout-standing.ts';
import type { FleetView, HostView, RolloutState } from './rollout-state.ts';
import { hostOrder, waveOf } from './rollout-waves.ts';

/** What would become of a host: the wave in which it moves, counted from 0, or why it has none. */
export interface HostPreview {
  readonly host: string;
  readonly standing: Standing;
  readonly wave: number | undefined;
}

export interface RolloutPreview {
  /** How many hosts will have been tried in all when each wave is done. */
  readonly sizes: readonly number[];
  /** In the order in which they are tried; those without a wave last. */
  readonly hosts: readonly HostPreview[];
}

/**
 * Which hosts would move in which wave, as things are now, and why others would not. Whoever can't
 * move now joins the wave that is open when it can.
 */
export function previewRollout(
  state: RolloutState,
  fleet: FleetView,
  nowMs: number,
): RolloutPreview {
  const sizes = waveSizes(state.plan, new Standings(state, fleet, nowMs).total);
  const seen = fleet.hosts.map((host) => seenHost(host, state, nowMs));
  const order = hostOrder(state.id, seen.filter(isTakingPart));
  const others = seen.filter((host) => !isTakingPart(host));
  return {
    sizes,
    hosts: [
      ...order.map(({ id, standing }, place) => {
        return { host: id, standing, wave: waveOf(place, sizes) };
      }),
      ...others.map(({ id, standing }) => ({ host: id, standing, wave: undefined })),
    ],
  };
}

interface SeenHost {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly standing: Standing;
  readonly isTried: boolean;
}

function seenHost(host: HostView, state: RolloutState, nowMs: number): SeenHost {
  const standing = standingOf(host, state, nowMs);
  return { id: host.id, labels: host.labels, standing, isTried: standing === 'tried' };
}

/** Who has no image yet, or lacks values that it needs, is taken to have them in time. */
const isTakingPart = ({ standing }: SeenHost): boolean =>
  standing === 'tried' || standing === 'due' || standing === 'fetching' || standing === 'unmet';
