import { Bitfield, PiecePicker, type GatewaySlots, type PieceSet } from '../../src/policy/index.ts';
import { Edges } from './edges.ts';
import { EventQueue } from './event-queue.ts';
import type { Fleet } from './fleet.ts';
import { Paces } from './paces.ts';
import type { GraphMaker, Neighbourhood } from './peer-graph.ts';
import { Random } from './random.ts';
import { Requests } from './requests.ts';

/** What there is to simulate. */
export interface SwarmSpec {
  readonly fleet: Fleet;
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly graph: GraphMaker;
  /** How many neighbours a host sends to at a time. */
  readonly uploads: number;
  /** How many pieces are asked of one neighbour at a time; undefined: as `hasRequestRoom` says. */
  readonly outstanding?: number | undefined;
  /** One way, by distance. */
  readonly latencySeconds: readonly [number, number, number];
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
  hand: 5,
  reveal: 6,
  connect: 7,
  notice: 8,
  tick: 9,
  join: 10,
  death: 11,
} as const;

/** Times of src/swarm: news of pieces are gathered, if they come soon after others; hosts look about. */
export const times = { gatherSeconds: 0.002, tickSeconds: 1 } as const;

/** Lanes of the event queue: messages by distance, news of pieces by distance, and these. */
export const lanes = { news: 3, tick: 6 } as const;

/** More than this is never asked of one neighbour at a time. */
const mostOutstanding = 64;
const largestWindowBytes = 8 << 20;

/** What senders and receivers know together: hosts, connections, pieces. */
export class SwarmState {
  readonly spec: SwarmSpec;
  readonly random: () => number;
  readonly queue: EventQueue;
  readonly edges: Edges;
  /** By host. */
  readonly slots: readonly GatewaySlots[];
  readonly spares: Neighbourhood['spares'];
  readonly requests: Requests;
  readonly paces: Paces;
  readonly pickers: readonly PiecePicker[];
  readonly have: readonly Bitfield[];
  /** By distance, by host: what neighbours at that distance have heard of. */
  readonly announced: readonly (readonly Bitfield[])[];
  /** By edge whose neighbour is a seed that hands out pieces: what it handed. */
  readonly handed = new Map<number, Set<number>>();
  /** By edge. */
  readonly connected: Uint8Array;
  readonly alive: Uint8Array;

  constructor(spec: SwarmSpec) {
    const { fleet, pieces, latencySeconds } = spec;
    this.spec = spec;
    const random = new Random(spec.seed);
    this.random = () => random.number();
    const { pairs, slots, spares } = spec.graph(fleet, random);
    this.slots = slots;
    this.spares = spares;
    this.edges = new Edges(pairs, fleet);
    const edges = this.edges.count;
    const news = latencySeconds.map((seconds) => seconds + times.gatherSeconds);
    this.queue = new EventQueue({
      delaysSeconds: [...latencySeconds, ...news, times.tickSeconds],
      flows: edges,
    });
    const byWindow = 1 + Math.ceil((1.25 * largestWindowBytes) / spec.pieceBytes);
    const outstanding = Math.min(mostOutstanding, spec.outstanding ?? byWindow);
    this.requests = new Requests({ edges, outstanding });
    this.paces = new Paces(this, { edges });
    this.pickers = perHost(fleet, () => new PiecePicker(pieces, this.random));
    this.have = perHost(fleet, () => new Bitfield(pieces));
    const masks = this.edges.distanceMasks.reduce((all, mask) => all | mask, 0);
    this.announced = latencySeconds.map((_, distance) =>
      (masks & (1 << distance)) === 0 ? [] : perHost(fleet, () => new Bitfield(pieces)),
    );
    this.connected = new Uint8Array(edges);
    this.alive = new Uint8Array(fleet.hosts);
  }

  /** What the neighbour has, as the owner of the edge knows. */
  known(edge: number): Bitfield {
    return this.announced[this.edges.distances[edge]!]![this.edges.neighbours[edge]!]!;
  }

  /** What the owner of an edge may ask of the neighbour. */
  askable(edge: number): PieceSet {
    if (this.edges.neighbours[edge]! >= this.spec.fleet.seeds) return this.known(edge);
    return this.handed.get(edge) ?? this.known(edge);
  }

  /** Sends an event over a connection: it comes after the latency. */
  send(edge: number, kind: number, piece: number): void {
    this.queue.send(this.edges.distances[edge]!, kind, edge, piece);
  }
}

const perHost = <T>({ hosts }: Fleet, make: () => T): T[] => Array.from({ length: hosts }, make);
