import type { SourcePace } from '../../src/policy/index.ts';
import type { EventQueue } from './event-queue.ts';

/** As the data plane measures and sets its windows, with whole pieces for samples. */
const window = {
  aheadSeconds: 0.1,
  startBytes: 256 << 10,
  leastBytes: 64 << 10,
  mostBytes: 8 << 20,
};
const smoothing = 0.25;

/** How fast the neighbour at each edge sends what it is asked for. */
export class Paces {
  readonly #queue: EventQueue;
  /** When something came last, or was asked for after nothing was owed. */
  readonly #heard: Float64Array;
  readonly #rates: Float64Array;

  constructor({ queue }: { readonly queue: EventQueue }, { edges }: { readonly edges: number }) {
    this.#queue = queue;
    this.#heard = new Float64Array(edges);
    this.#rates = new Float64Array(edges);
  }

  /** It is asked for something, and owed nothing before. */
  begin(edge: number): void {
    this.#heard[edge] = this.#queue.now;
  }

  received(edge: number, bytes: number): void {
    const rate = bytes / Math.max(1e-9, this.#queue.now - this.#heard[edge]!);
    const before = this.#rates[edge]!;
    this.#rates[edge] = rate > before ? rate : before + smoothing * (rate - before);
    this.#heard[edge] = this.#queue.now;
  }

  /** 0: nothing came yet. */
  rate(edge: number): number {
    return this.#rates[edge]!;
  }

  windowBytes(edge: number, latencySeconds: number): number {
    const rate = this.#rates[edge]!;
    if (rate === 0) return window.startBytes;
    const wanted = rate * (window.aheadSeconds + 2 * latencySeconds);
    return Math.min(window.mostBytes, Math.max(window.leastBytes, wanted));
  }

  of(edge: number, outstandingBytes: number): SourcePace {
    const silent = this.#queue.now - this.#heard[edge]!;
    return {
      outstandingBytes,
      rateBytesPerSecond: this.#rates[edge]!,
      silentMs: outstandingBytes === 0 ? 0 : silent * 1_000,
    };
  }
}
