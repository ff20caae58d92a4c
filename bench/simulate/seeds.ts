import type { Injection } from './injection.ts';
import { kinds, type SwarmState } from './swarm-state.ts';

export interface SeedsComponents {
  readonly state: SwarmState;
  /** That of each seed. */
  readonly injections: readonly Injection[];
}

/**
 * What seeds tell their neighbours: one piece after the other, as their injections say, until all
 * are out; then that they have everything.
 */
export class Seeds {
  readonly #state: SwarmState;
  readonly #injections: readonly Injection[];
  readonly #over: Uint8Array;
  /** By edge of a seed: how many pieces were offered that were not sent. */
  readonly #open: Int32Array;

  constructor({ state, injections }: SeedsComponents) {
    this.#state = state;
    this.#injections = injections;
    this.#over = new Uint8Array(injections.length);
    this.#open = new Int32Array(state.edges.first(injections.length));
    for (let seed = 0; seed < injections.length; seed++) {
      state.have.fill(seed);
      state.haveCounts[seed] = state.spec.pieces;
      state.announced.forEach((sets) => sets?.fill(seed));
      for (let piece = 0; piece < state.spec.pieces; piece++) state.picking.take(seed, piece);
    }
  }

  /** A neighbour came: it is offered as much as it may ask for. */
  onConnect(edge: number): void {
    const { requests } = this.#state;
    while (this.#open[edge]! < requests.outstanding && this.#offer(edge));
  }

  /** A piece was sent to the neighbour. */
  onSent(edge: number): void {
    if (this.#over[this.#state.edges.owners[edge]!] === 1) return;
    this.#open[edge]! -= 1;
    this.#offer(edge);
  }

  /** The neighbour is gone: what it was offered and was not sent is offered to others. */
  onGone(edge: number): void {
    const { edges, have, offered, spec } = this.#state;
    const seed = edges.owners[edge]!;
    const neighbour = edges.neighbours[edge]!;
    if (this.#over[seed] === 1) return;
    for (let piece = 0; piece < spec.pieces; piece++) {
      if (!offered.has(edge, piece) || have.has(neighbour, piece)) continue;
      this.#injections[seed]!.giveBack(piece);
    }
  }

  #offer(edge: number): boolean {
    const { edges } = this.#state;
    const seed = edges.owners[edge]!;
    if (this.#over[seed] === 1) return false;
    const piece = this.#injections[seed]!.next(edges.neighbours[edge]!);
    if (piece < 0) {
      this.#end(seed);
      return false;
    }
    this.#open[edge]! += 1;
    this.#state.send(edges.others[edge]!, kinds.offer, piece);
    return true;
  }

  /** All are out: from now on the seed is asked as anybody else. */
  #end(seed: number): void {
    this.#over[seed] = 1;
    const { edges } = this.#state;
    for (let edge = edges.first(seed); edge < edges.first(seed + 1); edge++) {
      const other = edges.others[edge]!;
      if (this.#state.connected[other] === 1) this.#state.send(other, kinds.offer, -1);
    }
  }

  /** What the neighbour of a seed hears: a piece; or that all are there to be asked for. */
  isOver(seed: number): boolean {
    return this.#over[seed] === 1;
  }
}
