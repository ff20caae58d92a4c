import type { MeasuredProcess, Place } from '../process/index.ts';
import type { Payload } from '../payload/index.ts';

/** A program that is to carry a payload from one process to another. One file in peers/ each. */
export interface BenchPeer {
  readonly name: string;
  /** Whether it is Starling. */
  readonly ours: boolean;
  /** Why it can't run on this machine; undefined when it can. */
  missing(): string | undefined;
  /**
   * Starts a seed that has all of the payload, has verified what it verifies, and answers at once.
   * @param fetchers how many there will be, at once
   */
  seed(payload: Payload, place: Place, fetchers: number): Promise<RunningSeed>;
}

export interface RunningSeed {
  readonly process: MeasuredProcess;
  /**
   * Starts a fetcher, which is told at its start what to fetch and where.
   * @param index from 0, below the number that the seed expects
   */
  fetch(place: Place, index: number): Fetch;
}

export interface Fetch {
  readonly process: MeasuredProcess;
  /** Whether it ends by itself when it is done. Else it is ended. */
  readonly ends: boolean;
  readonly done: Promise<Done>;
}

/** A fetcher has all of the payload, verified and written. */
export interface Done {
  /** When it said so, or ended; of the monotonic clock. */
  readonly atMs: number;
  /** Where it put the tree. */
  readonly tree: string;
  /** How long the transfer took by its own account, without its start. */
  readonly ownMs?: number;
}
