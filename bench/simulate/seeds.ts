import { Injection } from '../../src/policy/index.ts';
import { kinds, lanes, type SwarmState } from './swarm-state.ts';

/** How many pieces a neighbour is handed ahead, and for how long at its rate: as `SeedInjection`. */
const least = 2;
const aheadSeconds = 0.25;

/**
 * What seeds tell their neighbours: which pieces to ask for, as `Injection` says, until all are out;
 * then that anything may be asked for.
 */
export class Seeds {
  readonly #state: SwarmState;
  readonly #injections: readonly Injection<number>[];
  readonly #over: Uint8Array;
  /** By edge of a seed: what was sent since the last tick, and how fast before. */
  readonly #sentBytes: Float64Array;
  readonly #rates: Float64Array;
  #tickedSeconds = 0;

  constructor({ state }: { readonly state: SwarmState }) {
    this.#state = state;
    const { fleet, pieces } = state.spec;
    this.#injections = Array.from(
      { length: fleet.seeds },
      () => new Injection<number>(state, { pieceCount: pieces }),
    );
    this.#over = new Uint8Array(fleet.seeds);
    const edges = state.edges.first(fleet.seeds);
    this.#sentBytes = new Float64Array(edges);
    this.#rates = new Float64Array(edges);
    for (let seed = 0; seed < fleet.seeds; seed++) this.#fill(seed);
    state.queue.send(lanes.tick, kinds.tick, 0, 0);
  }

  #fill(seed: number): void {
    const { spec, have, announced, pickers } = this.#state;
    for (let piece = 0; piece < spec.pieces; piece++) {
      have[seed]!.add(piece);
      for (const sets of announced) sets[seed]?.add(piece);
      pickers[seed]!.take(piece);
    }
  }

  /** Whether the host hands out pieces at the moment. */
  isHanding(host: number): boolean {
    return host < this.#over.length && this.#over[host] === 0;
  }

  onConnect(edge: number): void {
    const seed = this.#state.edges.owners[edge]!;
    if (this.#over[seed] === 1) return;
    this.#state.handed.set(this.#state.edges.others[edge]!, new Set());
    this.#injections[seed]!.addPeer(edge, this.#state.known(edge));
    this.#hand(edge);
  }

  onHave(edge: number, piece: number): void {
    const seed = this.#state.edges.owners[edge]!;
    if (this.#over[seed] === 1) return;
    this.#injections[seed]!.onHave(edge, piece, this.#state.queue.now * 1_000);
    this.#hand(edge);
  }

  onSent(edge: number): void {
    this.#sentBytes[edge]! += this.#state.spec.pieceBytes;
  }

  onGone(edge: number): void {
    const seed = this.#state.edges.owners[edge]!;
    if (this.#over[seed] === 1) return;
    this.#injections[seed]!.removePeer(edge);
    this.#handAll(seed);
  }

  onTick(): void {
    const { queue } = this.#state;
    const seconds = queue.now - this.#tickedSeconds;
    this.#tickedSeconds = queue.now;
    for (let edge = 0; edge < this.#rates.length; edge++) {
      this.#rates[edge] = this.#sentBytes[edge]! / seconds;
      this.#sentBytes[edge] = 0;
    }
    for (const [seed, injection] of this.#injections.entries()) {
      if (this.#over[seed] === 1) continue;
      injection.expire(queue.now * 1_000);
      this.#handAll(seed);
    }
    if (!this.#over.every((over) => over === 1)) queue.send(lanes.tick, kinds.tick, 0, 0);
  }

  #handAll(seed: number): void {
    const { edges, connected } = this.#state;
    for (let edge = edges.first(seed); edge < edges.first(seed + 1); edge++) {
      if (connected[edge] === 1) this.#hand(edge);
    }
  }

  #hand(edge: number): void {
    const { edges, queue, spec } = this.#state;
    const seed = edges.owners[edge]!;
    const injection = this.#injections[seed]!;
    if (this.#over[seed] === 1) return;
    const ahead = Math.ceil((this.#rates[edge]! * aheadSeconds) / spec.pieceBytes);
    for (const piece of injection.hand(edge, Math.max(least, ahead), queue.now * 1_000)) {
      this.#state.send(edges.others[edge]!, kinds.hand, piece);
    }
    if (injection.isDone) this.#end(seed);
  }

  /** All are out: from now on the seed is asked as anybody else. */
  #end(seed: number): void {
    this.#over[seed] = 1;
    const { edges, connected } = this.#state;
    for (let edge = edges.first(seed); edge < edges.first(seed + 1); edge++) {
      if (connected[edge] === 1) this.#state.send(edges.others[edge]!, kinds.reveal, 0);
    }
  }
}
