import { setTimeout as sleep } from 'node:timers/promises';
import { parsePeerAddress } from './addresses.ts';
import { backoffMs, type BackoffInit } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ControlNode } from './control-node.ts';

export interface PeerLinksInit {
  /** With how many other hosts to be connected. */
  readonly wanted?: number;
  /** How often it is looked, in milliseconds. */
  readonly everyMs?: number;
  readonly backoff?: BackoffInit;
  /** A host can't be reached, or did not admit this one. */
  readonly onError?: (address: string, error: unknown) => void;
}

interface Candidate {
  readonly address: string;
  readonly peerId: string;
  failures: number;
  /** By the clock's uptime. */
  notBeforeMs: number;
}

const defaults = { wanted: 4, everyMs: 5_000, backoff: { firstMs: 5_000, mostMs: 300_000 } };
const maxCandidates = 64;

/**
 * Keeps this host connected to a few others, of those that a tracker named, so that hints go from host
 * to host while no tracker can be reached.
 */
export class PeerLinks implements AsyncDisposable {
  readonly #components: { node: ControlNode; clock: Clock; random: () => number };
  readonly #init: PeerLinksInit;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #candidates: readonly Candidate[] = [];
  #wake = new AbortController();

  constructor(
    components: { node: ControlNode; clock: Clock; random: () => number },
    init: PeerLinksInit = {},
  ) {
    this.#components = components;
    this.#init = init;
    this.#loop = this.#run();
  }

  /** Whom to choose from, from now on; what is no address, or this host's own, is left out. */
  offer(addresses: readonly string[]): void {
    const known = new Map(this.#candidates.map((candidate) => [candidate.address, candidate]));
    const { node } = this.#components;
    this.#candidates = addresses.slice(0, maxCandidates).flatMap((address) => {
      try {
        const { peerId } = parsePeerAddress(address);
        if (peerId === node.peerId) return [];
        return known.get(address) ?? { address, peerId, failures: 0, notBeforeMs: 0 };
      } catch (error) {
        this.#init.onError?.(address, error);
        return [];
      }
    });
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { everyMs = defaults.everyMs } = this.#init;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.#fill();
      const wake = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(everyMs, undefined, { signal: wake }).catch(() => undefined);
    }
  }

  async #fill(): Promise<void> {
    const { node, clock, random } = this.#components;
    const { wanted = defaults.wanted } = this.#init;
    const isLinked = ({ peerId }: Candidate) => node.claimsOf(peerId) !== undefined;
    const missing = wanted - this.#candidates.filter(isLinked).length;
    if (missing <= 0) return;
    const nowMs = clock.uptime();
    const free = this.#candidates
      .filter((candidate) => candidate.notBeforeMs <= nowMs && !isLinked(candidate))
      .map((candidate) => ({ candidate, rank: random() }))
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, missing);
    await Promise.all(free.map(({ candidate }) => this.#link(candidate)));
  }

  async #link(candidate: Candidate): Promise<void> {
    const { node, clock, random } = this.#components;
    const { signal } = this.#closing;
    try {
      await node.connect(candidate.address, { signal });
      candidate.failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      candidate.failures++;
      const pauseMs = backoffMs(
        candidate.failures,
        random(),
        this.#init.backoff ?? defaults.backoff,
      );
      candidate.notBeforeMs = clock.uptime() + pauseMs;
      this.#init.onError?.(candidate.address, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }
}
