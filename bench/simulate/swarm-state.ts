import { Edges } from './edges.ts';
import { EventQueue } from './event-queue.ts';
import type { Fleet } from './fleet.ts';
import { BitPicking, PolicyPicking, type Picking } from './picking.ts';
import type { GraphMaker } from './peer-graph.ts';
import { PieceSets } from './piece-sets.ts';
import { Random } from './random.ts';
import { Requests } from './requests.ts';

/** What there is to simulate. */
export interface SwarmSpec {
  readonly fleet: Fleet;
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly graph: GraphMaker;
  readonly picker: 'bits' | 'policy';
  /** How many pieces a host sends at a time. */
  readonly uploads: number;
  /** How many pieces are asked of one neighbour at a time. */
  readonly outstanding: number;
  /** One way, by distance. */
  readonly latencySeconds: readonly [number, number, number];
  /** After so long a neighbour that is silent is taken for dead. */
  readonly silenceSeconds: number;
  /** How often a host that has begun all pieces looks who is slow. */
  readonly checkSeconds: number;
  /** How much of a link may lie idle before its flows are given more, as a share of 1. */
  readonly tolerance: number;
  readonly seed: number;
  /** When hosts come, if not at the start. */
  readonly joins?: ReadonlyMap<number, number> | undefined;
  readonly deaths?: ReadonlyMap<number, number> | undefined;
}

/** Kinds of events; 0 is that of flows. */
export const kinds = {
  request: 1,
  cancel: 2,
  arrival: 3,
  have: 4,
  offer: 5,
  connect: 6,
  notice: 7,
  check: 8,
  join: 9,
  death: 10,
} as const;

/** Lanes of the event queue: one for each distance, and these. */
export const lanes = { silence: 3, check: 4 } as const;

/** What senders and receivers know together: hosts, connections, pieces. */
export class SwarmState {
  readonly spec: SwarmSpec;
  readonly random: Random;
  readonly queue: EventQueue;
  readonly edges: Edges;
  readonly requests: Requests;
  readonly picking: Picking;
  /** By host: what is here. */
  readonly have: PieceSets;
  readonly haveCounts: Int32Array;
  /** By distance, by host: what neighbours at that distance have heard of. */
  readonly announced: readonly (PieceSets | undefined)[];
  /** Row of `offered` by edge, where the neighbour is a seed that injects. -1: it does not. */
  readonly offers: Int32Array;
  readonly offered: PieceSets;
  /** By edge. */
  readonly connected: Uint8Array;
  readonly alive: Uint8Array;

  constructor(spec: SwarmSpec) {
    const { fleet, pieces, outstanding } = spec;
    this.spec = spec;
    this.random = new Random(spec.seed);
    this.edges = new Edges(spec.graph(fleet, this.random), fleet);
    this.queue = new EventQueue({
      delaysSeconds: [...spec.latencySeconds, spec.silenceSeconds, spec.checkSeconds],
      flows: fleet.hosts * spec.uploads,
    });
    this.requests = new Requests({ edges: this.edges.count, outstanding });
    const init = { hosts: fleet.hosts, pieces };
    const Picker = spec.picker === 'bits' ? BitPicking : PolicyPicking;
    this.picking = new Picker({ random: this.random }, init);
    this.have = new PieceSets(fleet.hosts, pieces);
    this.haveCounts = new Int32Array(fleet.hosts);
    const masks = this.edges.distanceMasks.reduce((all, mask) => all | mask, 0);
    this.announced = spec.latencySeconds.map((_, distance) =>
      (masks & (1 << distance)) === 0 ? undefined : new PieceSets(fleet.hosts, pieces),
    );
    this.offers = new Int32Array(this.edges.count).fill(-1);
    const seedEdges = this.edges.first(fleet.seeds);
    for (let edge = 0; edge < seedEdges; edge++) this.offers[this.edges.others[edge]!] = edge;
    this.offered = new PieceSets(seedEdges, pieces);
    this.connected = new Uint8Array(this.edges.count);
    this.alive = new Uint8Array(fleet.hosts);
  }

  /** Where what the owner of an edge may ask of the neighbour is told: sets, and the row in them. */
  askableSets(edge: number): PieceSets {
    if (this.offers[edge]! >= 0) return this.offered;
    return this.announced[this.edges.distances[edge]!]!;
  }

  askableRow(edge: number): number {
    const row = this.offers[edge]!;
    return row >= 0 ? row : this.edges.neighbours[edge]!;
  }

  /** Sends an event over a connection: it comes after the latency. */
  send(edge: number, kind: number, piece: number): void {
    this.queue.send(this.edges.distances[edge]!, kind, edge, piece);
  }
}
