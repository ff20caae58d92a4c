import type { Endpoint } from './announce.ts';
import { endpointText } from './endpoint.ts';
import { Ties, type IsConnected, type NamedTies } from './ties.ts';

interface Entry {
  readonly endpoint: Endpoint;
  state: 'idle' | 'dialing' | 'connected' | 'forgone';
  failures: number;
  notBeforeMs: number;
  /** Under which info-hash it is dialed: the one that worked, or is next to be tried. */
  hash: Buffer | undefined;
  /** The hashes to which it gave no answer since one worked. */
  unanswered: string[];
}

const maxEntries = 2_000;
const retryMs = { first: 2_000, most: 60_000 };
const maxFailures = 8;

/** Where the peers of one swarm can be reached, and when it makes sense to try (again). */
export class DialBook {
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  /** Whom a tracker of ours said that this host should be connected to. */
  readonly ties: Ties;

  constructor(components: { now: () => number }) {
    this.#now = components.now;
    this.ties = new Ties(components);
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** Notes whom to be connected to, as `Ties.set` says; those that it was before are not dialed any more. */
  setTies(named: NamedTies, isConnected: IsConnected): void {
    const before = [...this.#entries.values()].filter(({ endpoint }) => this.ties.has(endpoint));
    this.ties.set(named, isConnected);
    for (const { endpoint, state } of before) {
      if (state === 'idle' && !this.ties.has(endpoint))
        this.#entries.delete(endpointText(endpoint));
    }
    this.add([...named.ties, ...named.spares].filter((endpoint) => this.ties.has(endpoint)));
  }

  /** How many connections are being opened. */
  get dialing(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (entry.state === 'dialing') count += 1;
    return count;
  }

  /**
   * Notes endpoints. Those that were given up before get another chance.
   * @param hash the info-hash under which they are known, to be tried first
   */
  add(endpoints: readonly Endpoint[], hash?: Buffer): void {
    for (const endpoint of endpoints) {
      const key = endpointText(endpoint);
      if (endpoint.port === 0 || this.#entries.has(key)) continue;
      if (this.#entries.size >= maxEntries) return;
      this.#entries.set(key, {
        endpoint,
        state: 'idle',
        failures: 0,
        notBeforeMs: 0,
        hash,
        unanswered: [],
      });
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

  /** Under which of the hashes of an image this endpoint is to be dialed; the first is the best. */
  hashFor(endpoint: Endpoint, hashes: readonly Buffer[]): Buffer | undefined {
    const entry = this.#entries.get(endpointText(endpoint));
    const noted = entry?.hash;
    const usual = noted !== undefined && hashes.some((hash) => hash.equals(noted));
    const hash = usual ? noted : hashes[0];
    if (entry !== undefined) entry.hash = hash;
    return hash;
  }

  succeeded(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpointText(endpoint));
    if (entry === undefined) return;
    entry.state = 'connected';
    entry.failures = 0;
    entry.unanswered = [];
  }

  /**
   * It took the connection and closed it without a handshake, as who does not know the info-hash
   * does. Where another hash was not tried yet, it is dialed with that at once, else as after `ended`.
   */
  unanswered(endpoint: Endpoint, hashes: readonly Buffer[]): void {
    const entry = this.#entries.get(endpointText(endpoint));
    if (entry === undefined || entry.state === 'forgone') return;
    if (entry.hash !== undefined) entry.unanswered.push(entry.hash.toString('hex'));
    entry.hash = hashes.find((hash) => !entry.unanswered.includes(hash.toString('hex')));
    if (entry.hash === undefined) {
      entry.unanswered = [];
      this.ended(endpoint);
    } else entry.state = 'idle';
  }

  /** Never dials this endpoint again: it is ourselves, or it lied. */
  forgo(endpoint: Endpoint): void {
    const entry = this.#entries.get(endpointText(endpoint));
    if (entry !== undefined) entry.state = 'forgone';
  }

  /**
   * The connection is closed, or was never opened. It is tried again later, with growing pauses; or at
   * once, where it has ended for a reason that is known and over.
   */
  ended(endpoint: Endpoint, { again = false } = {}): void {
    const key = endpointText(endpoint);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.state === 'forgone') return;
    if (!this.ties.isEmpty && !this.ties.has(endpoint)) {
      this.#entries.delete(key);
      return;
    }
    entry.state = 'idle';
    if (again) return;
    entry.notBeforeMs = this.#now() + Math.min(retryMs.most, retryMs.first * 2 ** entry.failures);
    entry.failures += 1;
    // The tracker names it again if it still lives.
    if (entry.failures > maxFailures) this.#entries.delete(key);
  }
}
