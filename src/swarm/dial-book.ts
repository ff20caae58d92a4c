import type { Endpoint } from './announce.ts';

interface Entry {
  readonly endpoint: Endpoint;
  state: 'idle' | 'dialing' | 'connected' | 'forgone';
  failures: number;
  notBeforeMs: number;
}

const maxEntries = 2_000;
const retryMs = { first: 2_000, most: 60_000 };
const maxFailures = 8;

/** Where the peers of one swarm can be reached, and when it makes sense to try (again). */
export class DialBook {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(components: { now: () => number }) {
    this.#now = components.now;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** How many connections are being opened. */
  get dialing(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.state === 'dialing') count += 1;
    return count;
  }

  /** Notes endpoints. Those that were given up before get another chance. */
  add(endpoints: readonly Endpoint[]): void {
    for (const endpoint of endpoints) {
      const key = keyOf(endpoint);
      if (endpoint.port === 0 || this.#entries.has(key)) continue;
      if (this.#entries.size >= maxEntries) return;
      this.#entries.set(key, { endpoint, state: 'idle', failures: 0, notBeforeMs: 0 });
    }
  }

  /**
   * The next endpoint to connect to; it counts as being dialed until `ended`.
   * @param isConnected whether that peer is connected already, by a connection that it opened
   */
  next(isConnected: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    const now = this.#now();
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'idle' || entry.notBeforeMs > now) continue;
      if (isConnected(entry.endpoint)) continue;
      entry.state = 'dialing';
      return entry.endpoint;
    }
    return undefined;
  }

  succeeded(endpoint: Endpoint): void {
    const entry = this.#entries.get(keyOf(endpoint));
    if (entry === undefined) return;
    entry.state = 'connected';
    entry.failures = 0;
  }

  /** Never dials this endpoint again: it is ourselves, or it lied. */
  forgo(endpoint: Endpoint): void {
    const entry = this.#entries.get(keyOf(endpoint));
    if (entry !== undefined) entry.state = 'forgone';
  }

  /** The connection is closed, or was never opened. It is tried again later, with growing pauses. */
  ended(endpoint: Endpoint): void {
    const key = keyOf(endpoint);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.state === 'forgone') return;
    entry.state = 'idle';
    entry.notBeforeMs = this.#now() + Math.min(retryMs.most, retryMs.first * 2 ** entry.failures);
    entry.failures += 1;
    // The tracker names it again if it still lives.
    if (entry.failures > maxFailures) this.#entries.delete(key);
  }
}

const keyOf = ({ host, port }: Endpoint): string => `${host} ${port}`;
