import {
  PeerGraph,
  type GatewaySlots,
  type GraphNode,
  type PeerGraphInit,
} from '../../src/policy/index.ts';
import { AnnounceTimes, type Deaths } from './announce-times.ts';
import type { Fleet } from './fleet.ts';
import type { Random } from './random.ts';

/** Two hosts that are connected, and since when they are told of each other, in seconds. */
export type Pair = readonly [one: number, other: number, sinceSeconds: number];

/** Who are my neighbours, and whom do I stand for. */
export interface Neighbourhood {
  /** Each pair once. */
  readonly pairs: readonly Pair[];
  /** By host: whom its tracker names when it misses a neighbour that died. Pairs that may never be. */
  readonly spares: ReadonlyMap<number, ReadonlyMap<number, number>>;
  /** By host. */
  readonly slots: readonly GatewaySlots[];
}

export type GraphMaker = (fleet: Fleet, random: Random) => Neighbourhood;

/**
 * As the tracker places them (`PeerGraph` of src/policy), all there from the start.
 * @param deaths when hosts die, in seconds
 */
export const policyGraph =
  (init: Partial<PeerGraphInit> = {}, deaths: Deaths = new Map()): GraphMaker =>
  (fleet, random) => {
    const graph = new PeerGraph<number>({ random: () => random.number() }, init);
    const pairs = new PairSet(fleet.hosts);
    const nodes = [...joinAll(graph, fleet)];
    for (const node of nodes) {
      for (const { member } of graph.ties(node)) pairs.add(node.member, member);
    }
    const slots = nodes.map((node) => graph.slots(node));
    const world = { graph, nodes, pairs, random };
    const spares = drawSpares(world, deaths);
    mend(world, deaths);
    return { pairs: pairs.list, slots, spares };
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
    return { pairs: pairs.list, slots, spares: new Map() };
  };

function* joinAll(graph: PeerGraph<number>, fleet: Fleet): Generator<GraphNode<number>> {
  for (let host = 0; host < fleet.hosts; host++) {
    const place = { zone: nameOf(fleet.zoneOf(host)), rack: nameOf(fleet.rackOf(host)) };
    yield graph.join(host, place, host < fleet.seeds);
  }
}

interface World {
  readonly graph: PeerGraph<number>;
  readonly nodes: readonly GraphNode<number>[];
  readonly pairs: PairSet;
  readonly random: Random;
}

/** For each that dies, and each host beside it, another that it is told of when it asks. */
function drawSpares(
  { graph, nodes, pairs }: World,
  deaths: Deaths,
): Map<number, Map<number, number>> {
  const spares = new Map<number, Map<number, number>>();
  for (const dead of deaths.keys()) {
    for (const { member: host } of graph.ties(nodes[dead]!)) {
      const [spare] = graph.spares(nodes[host]!, 1);
      if (spare === undefined) continue;
      pairs.add(host, spare, Infinity);
      spares.set(host, (spares.get(host) ?? new Map<number, number>()).set(dead, spare));
    }
  }
  return spares;
}

/**
 * Closes the gaps that the dead leave, as tracker and hosts do: the tracker forgets who has been
 * silent for too long, and those beside it hear of one another when they announce themselves next.
 */
function mend({ graph, nodes, pairs, random }: World, deaths: Deaths): void {
  const announces = new AnnounceTimes({ random, deaths });
  const forgotten = [...deaths.keys()].map((host) => ({
    host,
    seconds: announces.forgotten(host),
  }));
  forgotten.sort((one, other) => one.seconds - other.seconds || one.host - other.host);
  const tiesOf = (host: number) => graph.ties(nodes[host]!).map(({ member }) => member);
  for (const { host, seconds } of forgotten) {
    const beside = tiesOf(host);
    graph.leave(nodes[host]!);
    for (const one of beside) {
      for (const other of tiesOf(one)) {
        const told = Math.min(announces.next(one, seconds), announces.next(other, seconds));
        if (told < Infinity) pairs.add(one, other, told);
      }
    }
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

  /** Unless they are a pair already. */
  add(one: number, other: number, sinceSeconds = 0): void {
    const key = Math.min(one, other) * this.#hosts + Math.max(one, other);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push([one, other, sinceSeconds]);
  }
}
