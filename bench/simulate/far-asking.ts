import { FarRequests, type Gateways, type Level, type PieceSet } from '../../src/policy/index.ts';
import type { SwarmState } from './swarm-state.ts';

/** In what time a piece may come from a neighbour of which nothing is known. */
const usualPieceMs = 250;

/** What may I ask of whom: of neighbours in other racks and zones not everything (`FarRequests`). */
export class FarAsking {
  readonly #state: SwarmState;
  /** Of hosts that have such neighbours. */
  readonly #requests: readonly (FarRequests | undefined)[];

  constructor({ state }: { readonly state: SwarmState }) {
    this.#state = state;
    const { edges, spec } = state;
    this.#requests = Array.from(edges.distanceMasks, (mask) =>
      mask > 1 ? new FarRequests({ pieceCount: spec.pieces }) : undefined,
    );
  }

  /** Whether a host has neighbours that are far. */
  isFarSighted(host: number): boolean {
    return this.#requests[host] !== undefined;
  }

  /** The neighbour has this piece, or is gone with it. */
  change(edge: number, piece: number, change: 1 | -1): void {
    const { edges } = this.#state;
    const far = this.#requests[edges.owners[edge]!];
    far?.change(edges.distances[edge] as Level, piece, change);
  }

  /** Of what may be asked of the neighbour in any case, what may be asked now. */
  allowed(edge: number): PieceSet {
    const { edges, handed } = this.#state;
    const askable = this.#state.askable(edge);
    const level = edges.distances[edge] as Level;
    const far = this.#requests[edges.owners[edge]!];
    // What a seed hands out is its word.
    if (level === 0 || far === undefined || handed.has(edge)) return askable;
    const { queue, paces, spec } = this.#state;
    const nowMs = queue.now * 1_000;
    const rate = paces.rate(edge);
    const pieceMs = rate === 0 ? usualPieceMs : (spec.pieceBytes * 1_000) / rate;
    const gateways = this.#gatewaysOf(edges.owners[edge]!, level);
    return {
      has: (piece) => askable.has(piece) && far.mayAsk({ piece, level, gateways, nowMs, pieceMs }),
    };
  }

  #gatewaysOf(host: number, level: 1 | 2): Gateways {
    const { edges, slots, connected } = this.#state;
    const others: number[] = [];
    for (let edge = edges.first(host); edge < edges.first(host + 1); edge++) {
      if (connected[edge] === 0 || edges.distances[edge]! >= level) continue;
      const slot = slots[edges.neighbours[edge]!]?.[level - 1];
      if (slot !== undefined) others.push(slot);
    }
    return { slot: slots[host]?.[level - 1], others };
  }
}
