import type { Endpoint } from './announce.ts';
import { endpointText } from './endpoint.ts';

/** A host that this one should be connected to. */
interface Tie {
  readonly toldMs: number;
  /** There was a connection. */
  wasConnected: boolean;
}

/** Whether there is a connection to a peer, whoever opened it; by its endpoint as text. */
export type IsConnected = (key: string) => boolean;

/** What a tracker says: whom to be connected to, and who can stand in for those that are missing. */
export interface NamedTies {
  readonly ties: readonly Endpoint[];
  readonly spares: readonly Endpoint[];
}

/** After so long one that was never reached counts as missing. */
const openingMs = 10_000;

/**
 * Whom a tracker of ours says that this host should be connected to for an image, and the spares
 * that stand in for those of them that can't be reached: a tracker forgets who dies without a word
 * only after some announces, and an image may be over by then.
 */
export class Ties {
  readonly #now: () => number;
  #ties: ReadonlyMap<string, Tie> = new Map();
  #spares: ReadonlyMap<string, Tie> = new Map();

  constructor(components: { readonly now: () => number }) {
    this.#now = components.now;
  }

  get isEmpty(): boolean {
    return this.#ties.size === 0;
  }

  /** Whether it is one, or stands in for one. */
  has(endpoint: Endpoint): boolean {
    return this.hasKey(endpointText(endpoint));
  }

  hasKey(key: string): boolean {
    return this.#ties.has(key) || this.#spares.has(key);
  }

  /**
   * Takes what the tracker says. Spares that are connected stay, as many as ties are missing; new ones
   * come after them.
   */
  set(named: NamedTies, isConnected: IsConnected): void {
    const ties = this.#merge(named.ties, this.#ties);
    const before = this.#held(this.#spares, isConnected);
    const spares = [...new Map([...before, ...this.#merge(named.spares, this.#spares)])];
    this.#ties = ties;
    const free = spares.filter(([key]) => !ties.has(key));
    this.#spares = new Map(free.slice(0, this.#lost(isConnected)));
  }

  /** How many ties can't be reached, for which nobody stands in. */
  missing(isConnected: IsConnected): number {
    const standIns = this.#held(this.#spares, isConnected).length;
    return Math.max(0, this.#lost(isConnected) - standIns);
  }

  #merge(endpoints: readonly Endpoint[], before: ReadonlyMap<string, Tie>): Map<string, Tie> {
    const toldMs = this.#now();
    const keys = endpoints.map(endpointText);
    return new Map(keys.map((key) => [key, before.get(key) ?? { toldMs, wasConnected: false }]));
  }

  #lost(isConnected: IsConnected): number {
    return this.#ties.size - this.#held(this.#ties, isConnected).length;
  }

  #held(ties: ReadonlyMap<string, Tie>, isConnected: IsConnected): (readonly [string, Tie])[] {
    return [...ties].filter(([key, tie]) => this.#holds(key, tie, isConnected));
  }

  /** Whether there is a connection, or one may still come about. */
  #holds(key: string, tie: Tie, isConnected: IsConnected): boolean {
    if (isConnected(key)) {
      tie.wasConnected = true;
      return true;
    }
    return !tie.wasConnected && this.#now() - tie.toldMs < openingMs;
  }
}
