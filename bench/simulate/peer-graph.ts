import { PeerGraph, type GraphNode, type PeerGraphInit } from '../../src/policy/index.ts';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

/** Two hosts that are connected. Each pair comes once. */
export type Pair = readonly [number, number];

/** Who are my neighbours. */
export type GraphMaker = (fleet: Fleet, random: Random) => readonly Pair[];

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
    return pairs.list;
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
    for (const node of joinAll(graph, fleet)) {
      for (const { member } of graph.ties(node)) pairs.add(node.member, member);
    }
    return pairs.list;
  };

function* joinAll(graph: PeerGraph<number>, fleet: Fleet): Generator<GraphNode<number>> {
  for (let host = 0; host < fleet.hosts; host++) {
    const place = { zone: nameOf(fleet.zoneOf(host)), rack: nameOf(fleet.rackOf(host)) };
    yield graph.join(host, place, host < fleet.seeds);
  }
}

const nameOf = (group: number): string => (group < 0 ? '' : String(group));

/** All in one rack, in so many random rings and nothing else: each has twice as many neighbours. */
export const ringsGraph =
  (rings: number): GraphMaker =>
  (fleet, random) => {
    const pairs = new PairSet(fleet.hosts);
    const order = Int32Array.from({ length: fleet.hosts }, (_, host) => host);
    for (let ring = 0; ring < rings; ring++) {
      random.shuffle(order);
      for (let at = 0; at < order.length; at++) {
        pairs.add(order[at]!, order[(at + 1) % order.length]!);
      }
    }
    return pairs.list;
  };

class PairSet {
  readonly list: Pair[] = [];
  readonly #seen = new Set<number>();
  readonly #hosts: number;

  constructor(hosts: number) {
    this.#hosts = hosts;
  }

  add(one: number, other: number): void {
    if (one === other) return;
    const key = Math.min(one, other) * this.#hosts + Math.max(one, other);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push([one, other]);
  }
}
