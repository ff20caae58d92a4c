import { setImmediate } from 'node:timers/promises';
import { Downloads } from './downloads.ts';
import { flowKind } from './event-queue.ts';
import { FarAsking } from './far-asking.ts';
import { Network } from './network.ts';
import { Seeds } from './seeds.ts';
import { kinds, lanes, SwarmState, times, type SwarmSpec } from './swarm-state.ts';
import { RoundRobin } from './upload-order.ts';
import { Uploads } from './uploads.ts';

/** What came of a swarm. */
export interface SwarmOutcome {
  /** By host: when it had everything; NaN: never. */
  readonly completedSeconds: Float64Array;
  /** By host: when it came. */
  readonly joinedSeconds: Float64Array;
  /** By host: 1 where it did not die. */
  readonly alive: Uint8Array;
  /** By link. */
  readonly carriedBytes: Float64Array;
  readonly duplicates: number;
  readonly events: number;
  /** How often a link was looked at. */
  readonly looks: number;
}

/** To the tracker and back, and to the other host: TCP and TLS. */
const spareTrips = 3;
/** So many events go by until others on this thread have their turn. */
const slice = 200_000;

/** Hosts that fetch one image from one another; runs until all that live have it. */
export class Swarm {
  readonly #state: SwarmState;
  readonly #network: Network;
  readonly #uploads: Uploads;
  readonly #far: FarAsking;
  readonly #downloads: Downloads;
  readonly #seeds: Seeds;
  readonly #joinedSeconds: Float64Array;

  constructor(spec: SwarmSpec) {
    const state = new SwarmState(spec);
    const { fleet } = spec;
    this.#state = state;
    this.#network = new Network(state, {
      capacities: fleet.capacities,
      flows: state.edges.count,
      tolerance: spec.tolerance,
    });
    const order = new RoundRobin(state);
    this.#uploads = new Uploads({ state, network: this.#network, order });
    this.#far = new FarAsking({ state });
    this.#downloads = new Downloads({ state, far: this.#far });
    this.#seeds = new Seeds({ state });
    this.#joinedSeconds = new Float64Array(fleet.hosts);
    for (let host = 0; host < fleet.hosts; host++) {
      const joins = spec.joins?.get(host) ?? 0;
      this.#joinedSeconds[host] = joins;
      if (joins > 0) state.queue.plan(joins, kinds.join, host);
      else this.#onJoin(host);
    }
    for (const [host, seconds] of spec.deaths ?? []) state.queue.plan(seconds, kinds.death, host);
  }

  /** @throws what the signal says; Error when hosts are left that can't get everything */
  async run({ signal }: { readonly signal: AbortSignal }): Promise<SwarmOutcome> {
    const { queue } = this.#state;
    while (this.#downloads.missing > 0) {
      for (let left = slice; left > 0 && this.#downloads.missing > 0; left--) {
        if (!queue.next()) throw new Error(`${this.#downloads.missing} hosts can get no further`);
        this.#handle(queue.kind, queue.first, queue.second);
        this.#network.settle();
      }
      await setImmediate(undefined, { signal });
    }
    return this.#outcome();
  }

  #outcome(): SwarmOutcome {
    const { queue, alive, spec } = this.#state;
    return {
      completedSeconds: this.#downloads.completedSeconds,
      joinedSeconds: this.#joinedSeconds,
      alive,
      carriedBytes: spec.fleet.capacities.map((_, link) => this.#network.carried(link)),
      duplicates: this.#downloads.duplicates,
      events: queue.handled,
      looks: this.#network.looks,
    };
  }

  #handle(kind: number, first: number, second: number): void {
    switch (kind) {
      case kinds.have:
        this.#onHave(first, second, this.#state.queue.lane - lanes.news);
        break;
      case flowKind:
        this.#onFlow(first);
        break;
      case kinds.request:
        this.#uploads.onRequest(first, second);
        break;
      case kinds.cancel:
        this.#uploads.onCancel(first, second);
        break;
      case kinds.arrival:
        this.#downloads.onArrival(first, second);
        break;
      default:
        this.#handleRare(kind, first, second);
    }
  }

  #handleRare(kind: number, first: number, second: number): void {
    switch (kind) {
      case kinds.hand:
        this.#state.handed.get(first)?.add(second);
        this.#downloads.fill(first);
        break;
      case kinds.reveal:
        this.#state.handed.delete(first);
        this.#downloads.fill(first);
        break;
      case kinds.connect:
        this.#onConnect(first);
        break;
      case kinds.notice:
        this.#onNotice(first);
        break;
      case kinds.tick:
        if (first < this.#state.spec.fleet.seeds) this.#seeds.onTick();
        else this.#downloads.onTick(first);
        break;
      case kinds.join:
        this.#onJoin(first);
        break;
      case kinds.death:
        this.#onDeath(first);
        break;
      default:
        throw new RangeError(`there is no event of kind ${kind}`);
    }
  }

  #onFlow(flow: number): void {
    const edge = this.#uploads.onFlow(flow);
    if (edge < 0) return;
    const { edges, spec } = this.#state;
    if (edges.neighbours[edge]! < spec.fleet.seeds) this.#seeds.onSent(edges.others[edge]!);
  }

  #onHave(host: number, piece: number, distance: number): void {
    const { edges, announced, connected, alive, spec } = this.#state;
    announced[distance]![host]!.add(piece);
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      const other = edges.others[edge]!;
      const neighbour = edges.neighbours[edge]!;
      if (edges.distances[edge] !== distance || connected[other] === 0) continue;
      if (alive[neighbour] === 0) continue;
      if (neighbour < spec.fleet.seeds) this.#seeds.onHave(other, piece);
      else this.#downloads.onHave(other, piece);
    }
  }

  #onJoin(host: number): void {
    const { alive, edges, queue } = this.#state;
    alive[host] = 1;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      const since = edges.sinceSeconds[edge]!;
      if (since > queue.now) {
        // A spare waits until it is asked for.
        const isPlanned = since < Infinity && edges.neighbours[edge]! > host;
        if (isPlanned) queue.plan(since, kinds.connect, edge);
        continue;
      }
      if (alive[edges.neighbours[edge]!] === 0) continue;
      queue.send(edges.distances[edge]!, kinds.connect, edge, 0);
    }
  }

  /** Both sides are connected, and hear what the other has. */
  #onConnect(edge: number): void {
    const { edges, alive, connected } = this.#state;
    const other = edges.others[edge]!;
    if (connected[edge] === 1) return;
    if (alive[edges.owners[edge]!] === 0 || alive[edges.owners[other]!] === 0) return;
    this.#connect(edge);
    this.#connect(other);
    this.#downloads.fill(edge);
    this.#downloads.fill(other);
  }

  #connect(edge: number): void {
    const { edges, connected, spec } = this.#state;
    connected[edge] = 1;
    this.#changeKnown(edge, 1);
    if (edges.owners[edge]! < spec.fleet.seeds) this.#seeds.onConnect(edge);
  }

  /** What the neighbour has counts, or no longer. */
  #changeKnown(edge: number, change: 1 | -1): void {
    const { edges, pickers, spec } = this.#state;
    const known = this.#state.known(edge);
    if (known.count === 0) return;
    pickers[edges.owners[edge]!]!.changeAvailabilityOfAll(known, change);
    if (!this.#far.isFarSighted(edges.owners[edge]!)) return;
    for (let piece = 0; piece < spec.pieces; piece++) {
      if (known.has(piece)) this.#far.change(edge, piece, change);
    }
  }

  /** The host is gone at once; its neighbours find out when it is silent for too long. */
  #onDeath(host: number): void {
    const { alive, edges, queue, requests } = this.#state;
    if (alive[host] === 0) return;
    alive[host] = 0;
    this.#downloads.onDeath(host);
    this.#uploads.stop(host);
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      this.#uploads.stopEdge(edge);
      requests.forgetWaiting(edges.others[edge]!);
      const other = edges.others[edge]!;
      // Its neighbours look about once a second.
      const lookSeconds = this.#state.random() * times.tickSeconds;
      const patienceSeconds = this.#downloads.patienceSeconds(other);
      queue.plan(queue.now + patienceSeconds + lookSeconds, kinds.notice, other);
    }
  }

  #onNotice(edge: number): void {
    const { edges, alive, connected, spec } = this.#state;
    const host = edges.owners[edge]!;
    if (connected[edge] === 0 || alive[host] === 0) return;
    connected[edge] = 0;
    this.#changeKnown(edge, -1);
    if (host < spec.fleet.seeds) this.#seeds.onGone(edge);
    else {
      this.#downloads.forget(edge);
      this.#askForSpare(edge);
    }
  }

  /** Who misses a neighbour asks its tracker for another, and connects: some round trips. */
  #askForSpare(lost: number): void {
    const { edges, spares, have, queue, spec } = this.#state;
    const host = edges.owners[lost]!;
    const spare = have[host]!.isFull ? undefined : spares.get(host)?.get(edges.neighbours[lost]!);
    if (spare === undefined) return;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      if (edges.neighbours[edge] !== spare) continue;
      const tripSeconds = 2 * spec.latencySeconds[edges.distances[edge]!]!;
      queue.plan(queue.now + spareTrips * tripSeconds, kinds.connect, edge);
    }
  }
}
