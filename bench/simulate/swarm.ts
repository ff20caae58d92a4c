import { setImmediate } from 'node:timers/promises';
import { Downloads } from './downloads.ts';
import { flowKind } from './event-queue.ts';
import { OnceEach } from './injection.ts';
import { Network } from './network.ts';
import { Seeds } from './seeds.ts';
import { kinds, lanes, SwarmState, type SwarmSpec } from './swarm-state.ts';
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
  readonly looks: number;
}

/** So many events go by until others on this thread have their turn. */
const slice = 200_000;

/** Hosts that fetch one image from one another; runs until all that live have it. */
export class Swarm {
  readonly #state: SwarmState;
  readonly #network: Network;
  readonly #uploads: Uploads;
  readonly #downloads: Downloads;
  readonly #seeds: Seeds;
  readonly #joinedSeconds: Float64Array;

  constructor(spec: SwarmSpec) {
    const state = new SwarmState(spec);
    const { fleet, pieces } = spec;
    this.#state = state;
    this.#network = new Network(state, {
      capacities: fleet.capacities,
      flows: fleet.hosts * spec.uploads,
      tolerance: spec.tolerance,
    });
    const order = new RoundRobin(state);
    this.#uploads = new Uploads({ state, network: this.#network, order });
    this.#downloads = new Downloads({ state });
    const injections = Array.from(
      { length: fleet.seeds },
      (_, part) => new OnceEach(state, { pieces, part, parts: fleet.seeds }),
    );
    this.#seeds = new Seeds({ state, injections });
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
    const { queue, alive, spec } = this.#state;
    while (this.#downloads.missing > 0) {
      for (let left = slice; left > 0 && this.#downloads.missing > 0; left--) {
        if (!queue.next()) throw new Error(`${this.#downloads.missing} hosts can get no further`);
        this.#handle(queue.kind, queue.first, queue.second);
      }
      await setImmediate(undefined, { signal });
    }
    const { carriedBytes } = this;
    return {
      completedSeconds: this.#downloads.completedSeconds,
      joinedSeconds: this.#joinedSeconds,
      alive,
      carriedBytes: spec.fleet.capacities.map((_, link) => carriedBytes(link)),
      duplicates: this.#downloads.duplicates,
      events: queue.handled,
      looks: this.#network.looks,
    };
  }

  readonly carriedBytes = (link: number): number => this.#network.carried(link);

  #handle(kind: number, first: number, second: number): void {
    if (kind === kinds.have) {
      this.#onHave(first, second, this.#distance);
      return;
    }
    this.#change(kind, first, second);
    this.#network.settle();
  }

  get #distance(): number {
    return this.#state.queue.lane;
  }

  #change(kind: number, first: number, second: number): void {
    switch (kind) {
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
      case kinds.offer:
        this.#onOffer(first, second);
        break;
      case kinds.connect:
        this.#onConnect(first);
        break;
      case kinds.notice:
        this.#onNotice(first);
        break;
      case kinds.check:
        this.#downloads.onCheck(first);
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
    const { edges, announced, connected, alive } = this.#state;
    announced[distance]!.add(host, piece);
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      const other = edges.others[edge]!;
      if (edges.distances[edge] !== distance || connected[other] === 0) continue;
      if (alive[edges.owners[other]!] === 1) this.#downloads.onHave(other, piece);
    }
  }

  #onOffer(edge: number, piece: number): void {
    if (this.#state.connected[edge] === 0) return;
    if (piece < 0) {
      this.#reveal(edge);
      return;
    }
    const { offered, offers } = this.#state;
    if (offered.has(offers[edge]!, piece)) return;
    offered.add(offers[edge]!, piece);
    this.#downloads.onHave(edge, piece);
  }

  /** The neighbour is a seed whose pieces are all out: any may be asked of it. */
  #reveal(edge: number): void {
    const { offered, offers, edges, picking, spec } = this.#state;
    const row = offers[edge]!;
    if (row < 0) return;
    for (let piece = 0; piece < spec.pieces; piece++) {
      if (!offered.has(row, piece)) picking.changeAvailability(edges.owners[edge]!, piece, 1);
    }
    offers[edge] = -1;
    this.#downloads.fill(edge);
  }

  #onJoin(host: number): void {
    const { alive, edges, queue } = this.#state;
    alive[host] = 1;
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      if (alive[edges.neighbours[edge]!] === 0) continue;
      queue.send(edges.distances[edge]!, kinds.connect, edge, 0);
    }
  }

  /** Both sides are connected, and hear what the other has. */
  #onConnect(edge: number): void {
    const { edges, alive } = this.#state;
    const other = edges.others[edge]!;
    if (alive[edges.owners[edge]!] === 0 || alive[edges.owners[other]!] === 0) return;
    this.#connect(edge);
    this.#connect(other);
  }

  #connect(edge: number): void {
    const { edges, connected, announced, offers, picking, spec } = this.#state;
    const host = edges.owners[edge]!;
    const neighbour = edges.neighbours[edge]!;
    connected[edge] = 1;
    const isSeed = neighbour < spec.fleet.seeds;
    if (isSeed && !this.#seeds.isOver(neighbour)) {
      this.#seeds.onConnect(edges.others[edge]!);
      return;
    }
    offers[edge] = -1;
    const sets = announced[edges.distances[edge]!]!;
    for (let piece = 0; piece < spec.pieces; piece++) {
      if (sets.has(neighbour, piece)) picking.changeAvailability(host, piece, 1);
    }
    this.#downloads.fill(edge);
  }

  /** The host is gone at once; its neighbours find out when it is silent for too long. */
  #onDeath(host: number): void {
    const { alive, edges, queue } = this.#state;
    if (alive[host] === 0) return;
    alive[host] = 0;
    this.#downloads.onDeath(host);
    this.#uploads.stop(host);
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      this.#uploads.stopEdge(edge);
      this.#state.requests.forgetWaiting(edges.others[edge]!);
      queue.send(lanes.silence, kinds.notice, edges.others[edge]!, 0);
    }
  }

  #onNotice(edge: number): void {
    const { edges, alive, connected, picking, spec } = this.#state;
    const host = edges.owners[edge]!;
    if (connected[edge] === 0 || alive[host] === 0) return;
    const sets = this.#state.askableSets(edge);
    const row = this.#state.askableRow(edge);
    for (let piece = 0; piece < spec.pieces; piece++) {
      if (sets.has(row, piece)) picking.changeAvailability(host, piece, -1);
    }
    connected[edge] = 0;
    if (host < spec.fleet.seeds) this.#seeds.onGone(edge);
    this.#downloads.forget(edge);
  }
}
