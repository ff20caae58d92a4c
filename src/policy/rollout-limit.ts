import { sizeOf } from './rollout-plan.ts';
import type { FleetView, HostEntry, HostView, RolloutState } from './rollout-state.ts';

/**
 * Whether a host may be on its way, for all that is known: it counts as unavailable from before it is
 * told until it has answered, also after its lease ran out. It may have begun in time.
 */
export const isMoving = ({ phase }: HostEntry): boolean =>
  phase === 'permitted' || phase === 'recalled' || phase === 'activating' || phase === 'goingBack';

/**
 * Whether it is the first release of the channel, for all that is known: nobody runs anything else, and
 * nobody who was permitted did.
 */
function isFirstRelease(state: RolloutState, fleet: FleetView): boolean {
  return fleet.hosts.every(({ id, report }) => {
    const entry = state.hosts[id];
    const ran = report?.release;
    if (ran !== undefined && ran !== state.release) return false;
    return entry === undefined || entry.isFirst === true;
  });
}

/** What runs nothing, or has not said what it runs, does what it did before on a first release alone. */
const runsNothing = ({ report }: HostView): boolean =>
  report === undefined || report.state === 'empty';

/** The room that a rollout has at the moment. Everybody counts once. */
export class Room {
  readonly limit: number;
  readonly #isFirstRelease: boolean;
  readonly #unavailable: Set<string>;
  #moving = 0;
  /** How many count because of this rollout. */
  #own = 0;

  constructor(state: RolloutState, fleet: FleetView) {
    this.limit = sizeOf(state.plan.maxUnavailable, fleet.hosts.length);
    this.#isFirstRelease = isFirstRelease(state, fleet);
    this.#unavailable = new Set(fleet.unavailable);
    for (const host of fleet.hosts) {
      const entry = state.hosts[host.id];
      const moves = entry !== undefined && isMoving(entry);
      if (moves) this.#moving += 1;
      if (moves || entry?.phase === 'failed' || this.#isLeftWithNothing(host, entry)) {
        this.#own += 1;
      }
      if (moves || this.isDown(host, entry)) this.#unavailable.add(host.id);
    }
  }

  /**
   * Whether a host is unavailable by itself: not heard, not healthy, failed on the release, or without
   * anything that runs where that is not how all of them began.
   */
  isDown(host: HostView, entry: HostEntry | undefined): boolean {
    return (
      host.unreachableSinceMs !== undefined ||
      host.report?.state === 'failed' ||
      host.report?.state === 'activating' ||
      entry?.phase === 'failed' ||
      (runsNothing(host) && !this.#isFirstRelease)
    );
  }

  /** Whether a move has taken from a host what it ran. */
  #isLeftWithNothing(host: HostView, entry: HostEntry | undefined): boolean {
    return entry?.phase === 'back' && entry.isFirst !== true && runsNothing(host);
  }

  get unavailable(): ReadonlySet<string> {
    return this.#unavailable;
  }

  /** By how many hosts the limit is exceeded. */
  get excess(): number {
    return Math.max(0, this.#unavailable.size - this.limit);
  }

  /** Whether the rollout would have no room even if nobody else were unavailable. */
  get isFilledByItself(): boolean {
    return this.#own >= this.limit;
  }

  /** Whether a host may be moved. One that is unavailable already adds nothing to them. */
  has(id: string): boolean {
    if (this.#moving >= this.limit) return false;
    return this.#unavailable.has(id) || this.#unavailable.size < this.limit;
  }

  take(id: string): void {
    this.#moving += 1;
    this.#unavailable.add(id);
  }
}

/**
 * The hosts that count as unavailable in a rollout: what other rollouts of the app have to be told,
 * in `FleetView.unavailable`. Ascending.
 */
export const unavailableHosts = (state: RolloutState, fleet: FleetView): string[] =>
  [...new Room(state, fleet).unavailable].sort();
