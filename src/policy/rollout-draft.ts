import type {
  Failure,
  FleetView,
  HostEntry,
  HostView,
  RolloutEvent,
  RolloutState,
  StopReason,
} from './rollout-state.ts';

/** A rollout's state while it is decided about: what is changed, what happened, when to look again. */
export class RolloutDraft {
  readonly fleet: FleetView;
  readonly nowMs: number;
  readonly events: RolloutEvent[] = [];
  #state: RolloutState;
  #hosts: Record<string, HostEntry> | undefined;
  readonly #changedHosts = new Set<string>();
  #wakeAtMs = Infinity;

  constructor(state: RolloutState, fleet: FleetView, nowMs: number) {
    this.fleet = fleet;
    this.nowMs = nowMs;
    this.#state = state;
  }

  /** The state as it is by now; the very one that was given while nothing has changed. */
  get state(): RolloutState {
    return this.#state;
  }

  /** The hosts whose entries changed, came or went. */
  get changedHosts(): string[] {
    return [...this.#changedHosts];
  }

  get lookAgainAtMs(): number | undefined {
    return this.#wakeAtMs === Infinity ? undefined : this.#wakeAtMs;
  }

  entryOf(host: HostView): HostEntry | undefined {
    return this.#state.hosts[host.id];
  }

  /** The hosts that were ever permitted, with what is known of them. */
  *entries(): Generator<[HostView, HostEntry]> {
    for (const host of this.fleet.hosts) {
      const entry = this.entryOf(host);
      if (entry) yield [host, entry];
    }
  }

  set(change: Partial<RolloutState>): void {
    this.#state = { ...this.#state, ...change };
  }

  /** @param entry undefined: nothing is known of the host any more */
  setEntry(id: string, entry: HostEntry | undefined): void {
    this.#hosts ??= { ...this.#state.hosts };
    if (entry) this.#hosts[id] = entry;
    else Reflect.deleteProperty(this.#hosts, id);
    this.#changedHosts.add(id);
    this.set({ hosts: this.#hosts });
  }

  fail(host: HostView, entry: HostEntry, failure: Failure): HostEntry {
    const failed = { ...entry, failure };
    this.setEntry(host.id, failed);
    this.events.push({ type: 'failed', host: host.id, failure });
    return failed;
  }

  /** Tells a host something new, by a new epoch. */
  order(
    host: HostView,
    entry: HostEntry,
    phase: 'permitted' | 'recalled' | 'goingBack',
    sinceMs: number,
  ): void {
    const epoch = this.#state.epoch + 1;
    const permit = phase === 'permitted' ? epoch : entry.permit;
    this.set({ epoch });
    this.setEntry(host.id, { ...entry, phase, epoch, permit, sinceMs });
    const type = phase === 'goingBack' ? 'sentBack' : phase;
    this.events.push({ type, host: host.id, epoch });
  }

  stop(reason: StopReason, goesBack: boolean): void {
    this.set(stopped(reason, goesBack));
    this.events.push({ type: 'stopped', reason, goesBack });
  }

  /** Something may have to be decided then. */
  wake(atMs: number): void {
    this.#wakeAtMs = Math.min(this.#wakeAtMs, Math.max(atMs, this.nowMs + 1));
  }
}

/** What changes when a rollout is stopped. */
export const stopped = (stopReason: StopReason, goesBack: boolean): Partial<RolloutState> => ({
  phase: goesBack ? 'goingBack' : 'aborted',
  stopReason,
  goesBack,
  healthySinceMs: undefined,
  stalledSinceMs: undefined,
});
