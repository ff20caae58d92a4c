import type { FleetView, HostEntry, HostView, RolloutState } from './rollout-state.ts';
import { hostOrder, type Participant } from './rollout-waves.ts';
import { isWindowOpen } from './rollout-window.ts';

/**
 * Where a host stands to a rollout. `tried`: it was permitted. `there`: it runs the release without
 * that. `due`: it may move as soon as its wave is open and there is room. The others can't now;
 * `unmet`: the image is there, and values that it needs are not.
 */
export type Standing =
  | 'tried'
  | 'there'
  | 'pinned'
  | 'held'
  | 'unreachable'
  | 'outsideWindow'
  | 'fetching'
  | 'unmet'
  | 'due';

export function standingOf(host: HostView, state: RolloutState, nowMs: number): Standing {
  const entry = state.hosts[host.id];
  if (entry && !isToBeTried(entry)) return 'tried';
  const obstacle = obstacleOf(host, state, nowMs);
  if (obstacle !== undefined) return obstacle;
  if (host.report?.isPrefetched !== true) return 'fetching';
  return (host.report.unmet?.length ?? 0) > 0 ? 'unmet' : 'due';
}

/** A host that failed and is still on the release is as it was when it is to be tried again. */
const isToBeTried = ({ phase, failure }: HostEntry): boolean =>
  failure === undefined && (phase === 'waiting' || phase === 'failed');

/** What keeps a host from moving, beside its image, that is not there yet. */
export function obstacleOf(
  host: HostView,
  { release, plan }: RolloutState,
  nowMs: number,
): 'there' | 'pinned' | 'held' | 'unreachable' | 'outsideWindow' | undefined {
  const { report } = host;
  if (report?.release === release && report.state === 'healthy') return 'there';
  if (host.pin !== undefined && host.pin !== release) return 'pinned';
  if (host.isHeld) return 'held';
  if (host.unreachableSinceMs !== undefined) return 'unreachable';
  return isWindowOpen(plan.windows, host, nowMs) ? undefined : 'outsideWindow';
}

/** What an operator has fixed of a host. */
export type FixableHost = Pick<HostView, 'isHeld' | 'pin'>;

/** Whether a host is to be left alone, whatever its rollout would have it do. */
export const isFixed = ({ isHeld, pin }: FixableHost, release: string): boolean =>
  isHeld || (pin !== undefined && pin !== release);

/** All hosts of a fleet by where they stand. */
export class Standings {
  readonly #byStanding: ReadonlyMap<Standing, readonly HostView[]>;

  constructor(state: RolloutState, fleet: FleetView, nowMs: number) {
    this.#byStanding = Map.groupBy(fleet.hosts, (host) => standingOf(host, state, nowMs));
  }

  of(standing: Standing): readonly HostView[] {
    return this.#byStanding.get(standing) ?? [];
  }

  get counts(): Partial<Record<Standing, number>> {
    const sizes = [...this.#byStanding].map(([standing, hosts]) => [standing, hosts.length]);
    return Object.fromEntries(sizes) as Partial<Record<Standing, number>>;
  }

  /** The hosts that the sizes of waves are shares of: all but those that need not, or must not, move. */
  get total(): number {
    const meant: Standing[] = ['tried', 'due', 'fetching', 'unmet', 'outsideWindow', 'unreachable'];
    return meant.reduce((sum, standing) => sum + this.of(standing).length, 0);
  }

  /** Who is due, in the order in which they are tried. */
  dueInOrder(rolloutId: string): HostView[] {
    const participant = (isTried: boolean) => (host: HostView) => ({ ...host, isTried });
    const hosts: (HostView & Participant)[] = [
      ...this.of('tried').map(participant(true)),
      ...this.of('due').map(participant(false)),
    ];
    return hostOrder(rolloutId, hosts).filter(({ isTried }) => !isTried);
  }
}
