import type { MeasuredProcess } from '../process/index.ts';
import type { Way } from './config.ts';

/** Where a tracker runs. */
export interface Place {
  /** An empty folder of its own. */
  readonly directory: string;
  /** Hexadecimal info-hashes of 20 bytes, one a line. */
  readonly hashesPath: string;
  readonly signal: AbortSignal;
  /** Starts a program on the core of the trackers; it is ended with the place. */
  readonly start: (name: string, command: readonly [string, ...string[]]) => MeasuredProcess;
}

/** A tracker that is measured. One file in trackers/ each. */
export interface BenchTracker {
  readonly name: string;
  /** Whether it is Starling. */
  readonly ours: boolean;
  readonly ways: readonly Way['name'][];
  /** Why it can't run on this machine; undefined when it can. */
  missing(): string | undefined;
  /** Starts it; returns when it answers. */
  start(place: Place): Promise<RunningTracker>;
}

export interface RunningTracker {
  readonly process: MeasuredProcess;
  readonly httpPort: number;
  readonly udpPort: number;
}
