import {
  PeerGraph,
  type GatewaySlots,
  type GraphNode,
  type PeerGraphInit,
} from '../../src/policy/index.ts';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

/** Two hosts that are connected. */
export type Pair = readonly [number, number];

/** Who are my neighbours, and whom do I stand for. */
export interface Neighbourhood {
  /** Each pair once. */
  readonly pairs: readonly Pair[];
  /** By host. */
  readonly slots: readonly GatewaySlots[];
}

export type GraphMaker = (fleet: Fleet, random: Random) => Neighbourhood;

/** As the tracker places them (`PeerGraph` of src/policy), all there from the start. */
export const policyGraph =
  (init: Partial<PeerGraphInit> = {}): GraphMaker =>
  (fleet, random) => {
    const graph = new PeerGraph<number>({ random: () => random.number() }, init);
    const pairs = new PairSet(fleet.hosts);
    const nodes = [...joinAll(graph, fleet)];
    for (const node of nodes) {
      for (const { member } of graph.ties(node)) pairs.add(node.member, member);
    }
    return { pairs: pairs.list, slots: nodes.map((node) => graph.slots(node)) };
  };

/**
 * The same, hosts coming in the order of their numbers: each is connected to whom it is given when it
 * comes, and connections are kept, also when another comes between the two in a ring.
 */
export const joiningGraph =
  (init: Partial<PeerGraphInit> = {}): GraphMaker =>
  (fleet, random) => {
    const graph = new PeerGraph<number>({ random: () => random.number() }, init);
    const pairs = new PairSet(fleet.hosts);
    const slots: GatewaySlots[] = [];
    for (const node of joinAll(graph, fleet)) {
      for (const { member } of graph.ties(node)) pairs.add(node.member, member);
      slots.push(graph.slots(node));
    }
    return { pairs: pairs.list, slots };
  };

function* joinAll(graph: PeerGraph<number>, fleet: Fleet): Generator<GraphNode<number>> {
  for (let host = 0; host < fleet.hosts; host++) {
    const place = { zone: nameOf(fleet.zoneOf(host)), rack: nameOf(fleet.rackOf(host)) };
    yield graph.join(host, place, host < fleet.seeds);
  }
}

const nameOf = (group: number): string => (group < 0 ? '' : String(group));

class PairSet {
  readonly list: Pair[] = [];
  readonly #seen = new Set<number>();
  readonly #hosts: number;

  constructor(hosts: number) {
    this.#hosts = hosts;
  }

  add(one: number, other: number): void {
    const key = Math.min(one, other) * this.#hosts + Math.max(one, other);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push([one, other]);
  }
}
