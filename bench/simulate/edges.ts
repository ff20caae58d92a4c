import type { Fleet } from './fleet.ts';
import type { Pair } from './peer-graph.ts';

/**
 * The connections of a graph, from both sides: an edge is what one host, its owner, has to do with
 * one neighbour. Those of a host lie in a row, from `first(host)` to before `first(host + 1)`.
 */
export class Edges {
  readonly hosts: number;
  readonly count: number;
  /** By edge. */
  readonly owners: Int32Array;
  readonly neighbours: Int32Array;
  /** The same connection seen by the neighbour. */
  readonly others: Int32Array;
  readonly distances: Uint8Array;
  /** From when on there may be a connection, in seconds. */
  readonly sinceSeconds: Float64Array;
  /** By host: a bit for each distance at which it has neighbours. */
  readonly distanceMasks: Uint8Array;
  readonly #firsts: Int32Array;

  constructor(graph: readonly Pair[], fleet: Fleet) {
    this.hosts = fleet.hosts;
    this.count = 2 * graph.length;
    this.owners = new Int32Array(this.count);
    this.neighbours = new Int32Array(this.count);
    this.others = new Int32Array(this.count);
    this.distances = new Uint8Array(this.count);
    this.sinceSeconds = new Float64Array(this.count);
    this.distanceMasks = new Uint8Array(fleet.hosts);
    this.#firsts = new Int32Array(fleet.hosts + 1);
    for (const [one, other] of graph) {
      this.#firsts[one + 1]! += 1;
      this.#firsts[other + 1]! += 1;
    }
    for (let host = 0; host < fleet.hosts; host++) this.#firsts[host + 1]! += this.#firsts[host]!;
    const next = this.#firsts.slice();
    for (const [one, other, sinceSeconds] of graph) {
      const there = next[one]!++;
      const back = next[other]!++;
      const distance = fleet.distance(one, other);
      this.#set(there, back, one, other, distance);
      this.#set(back, there, other, one, distance);
      this.sinceSeconds[there] = this.sinceSeconds[back] = sinceSeconds;
    }
  }

  #set(edge: number, other: number, owner: number, neighbour: number, distance: number): void {
    this.owners[edge] = owner;
    this.neighbours[edge] = neighbour;
    this.others[edge] = other;
    this.distances[edge] = distance;
    this.distanceMasks[owner]! |= 1 << distance;
  }

  first(host: number): number {
    return this.#firsts[host]!;
  }
}
