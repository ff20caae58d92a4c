import {
  act,
  createRollout,
  decide,
  permitFor,
  unavailableHosts,
  type HostReport,
  type Permit,
  type RolloutAction,
  type RolloutEvent,
  type RolloutPlan,
  type RolloutState,
} from '../../src/policy/index.ts';
import type { SimulatedHost } from './simulated-host.ts';

export interface WorldInit {
  /** The hosts of each channel; the channels are of one app. */
  readonly channels: readonly (readonly SimulatedHost[])[];
  readonly plan: RolloutPlan;
  /** What share of messages is lost, and of those that are not, what share comes twice. */
  readonly lossShare: number;
  /** A message takes up to so long, each its own time: they overtake each other. */
  readonly delayMs: number;
  /** Decides only when something was heard, or when it was said to look again. */
  readonly isLazy?: boolean;
}

interface Channel {
  readonly hosts: readonly SimulatedHost[];
  state: RolloutState;
  lookAgainAtMs: number;
}

export const tickMs = 500;
export const newRelease = 'new';

/**
 * A tracker that drives the rollouts of one app, hosts that obey, and a network between them that
 * loses, doubles and delays. The tracker believes whatever report came last. What it decides is stored
 * before it is sent, and it may die between any two steps. Other trackers tell hosts what is stored,
 * also while there is nobody who decides.
 */
export class RolloutWorld {
  nowMs = 1_000_000;
  /** Whether a tracker is elected, and decides. */
  hasLeader = true;
  /** Hosts hear nothing; they are heard. */
  isDeaf = false;
  readonly events: RolloutEvent[] = [];
  readonly #init: WorldInit;
  readonly #random: () => number;
  readonly #channels: Channel[];
  #underWay: { readonly atMs: number; readonly arrive: () => void }[] = [];
  #reports = new Map<string, HostReport>();
  #oldReports = new Map<string, HostReport>();
  #hasHeard = true;
  #dies: 'beforeStore' | 'beforeSend' | undefined;

  constructor(components: { readonly random: () => number }, init: WorldInit) {
    this.#random = components.random;
    this.#init = init;
    this.#channels = init.channels.map((hosts, at) => ({
      hosts,
      state: this.#newRollout(`rollout ${at}`),
      lookAgainAtMs: 0,
    }));
  }

  get hosts(): readonly SimulatedHost[] {
    return this.#init.channels.flat();
  }

  get state(): RolloutState {
    const [first] = this.#channels;
    if (!first) throw new Error('a world has a channel');
    return first.state;
  }

  /** How many hosts rollouts have taken down, in truth. */
  get takenDown(): number {
    return this.hosts.filter((host) => host.isPresent && host.isTakenDown).length;
  }

  /** How many hosts are unavailable, in truth, for whatever reason. */
  get unavailable(): number {
    return this.hosts.filter((host) => host.isPresent && !(host.isUp && host.isAvailable)).length;
  }

  /** An operator's word about all rollouts, acknowledged when this returns. */
  act(action: RolloutAction): void {
    for (const channel of this.#channels) {
      const result = act(channel.state, action, this.nowMs);
      if ('refused' in result) continue;
      channel.state = result.state;
      this.events.push(...result.events);
      channel.lookAgainAtMs = 0;
    }
  }

  /** The tracker dies in its next decision, and starts again with what was stored, and old reports. */
  die(when: 'beforeStore' | 'beforeSend'): void {
    this.#dies = when;
  }

  run(ticks: number, isOver: () => boolean = () => false): void {
    for (let tick = 0; tick < ticks && !isOver(); tick++) this.#tick();
  }

  #tick(): void {
    this.nowMs += tickMs;
    this.#deliver();
    for (const host of this.hosts) {
      if (!host.isUp || !host.isPresent) continue;
      host.live(this.nowMs);
      const report = host.report(this.nowMs);
      this.#send(host, () => {
        this.#reports.set(host.id, report);
        this.#hasHeard = true;
      });
    }
    for (const channel of this.#channels) {
      if (this.hasLeader) this.#decide(channel);
      this.#renew(channel);
    }
    this.#hasHeard = false;
    if (this.#random() < 0.1) this.#oldReports = new Map(this.#reports);
  }

  #decide(channel: Channel): void {
    const isIdle = !this.#hasHeard && this.nowMs < channel.lookAgainAtMs;
    if (this.#init.isLazy === true && isIdle) return;
    const others = this.#channels.filter((other) => other !== channel);
    const unavailable = others.flatMap((other) =>
      unavailableHosts(other.state, this.#fleet(other)),
    );
    const fleet = { ...this.#fleet(channel), unavailable };
    const { state, permits, events, lookAgainAtMs } = decide(channel.state, fleet, this.nowMs);
    const dies = this.#dies;
    this.#dies = undefined;
    if (dies !== undefined) this.#reports = new Map(this.#oldReports);
    if (dies === 'beforeStore') return;
    channel.state = JSON.parse(JSON.stringify(state)) as RolloutState;
    channel.lookAgainAtMs = lookAgainAtMs ?? Infinity;
    this.events.push(...events);
    if (dies === undefined) for (const permit of permits) this.#sendPermit(permit);
  }

  /** What every tracker tells its own hosts, by what is stored. */
  #renew({ hosts, state }: Channel): void {
    for (const host of hosts) {
      const permit = host.isPresent ? permitFor(state, host, this.nowMs) : undefined;
      if (permit !== undefined) this.#sendPermit(permit);
    }
  }

  #fleet({ hosts }: Channel) {
    const present = hosts.filter(({ isPresent }) => isPresent);
    for (const { id, isPresent } of hosts) if (!isPresent) this.#reports.delete(id);
    return {
      hosts: present.map((host) => host.view(this.#reports.get(host.id), this.nowMs)),
      unavailable: [],
    };
  }

  #sendPermit(permit: Permit): void {
    const host = this.hosts.find(({ id }) => id === permit.host);
    if (!host || this.isDeaf) return;
    this.#send(host, () => {
      if (host.isUp) host.hear(permit, this.nowMs);
    });
  }

  /** To or from a host. */
  #send(host: SimulatedHost, arrive: () => void): void {
    const { lives } = host;
    const ifItStayed = () => {
      if (host.isPresent && host.lives === lives) arrive();
    };
    const { lossShare, delayMs } = this.#init;
    if (this.#random() < lossShare) return;
    const copies = this.#random() < lossShare ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#underWay.push({ atMs: this.nowMs + this.#random() * delayMs, arrive: ifItStayed });
    }
  }

  #deliver(): void {
    const due = this.#underWay.filter(({ atMs }) => atMs <= this.nowMs);
    this.#underWay = this.#underWay.filter(({ atMs }) => atMs > this.nowMs);
    due.sort((one, other) => one.atMs - other.atMs);
    for (const { arrive } of due) arrive();
  }

  #newRollout(id: string): RolloutState {
    const { plan } = this.#init;
    return createRollout({ id, release: newRelease, plan, epoch: 0, nowMs: this.nowMs });
  }
}
