import type { Payload } from '../payload/index.ts';
import type { MeasuredProcess, Place } from '../process/index.ts';

/** A program that is to spread a payload over the hosts of a network. One file in peers/ each. */
export interface SwarmPeer {
  readonly name: string;
  /** Whether it is Starling. */
  readonly ours: boolean;
  /** Whether hosts give on what they have; else all of it comes over the seed's link. */
  readonly swarms: boolean;
  /** Why it can't run on this machine; undefined when it can. */
  missing(): string | undefined;
  /** Starts what must be there before the image appears: a tracker, perhaps a seed. */
  open(stage: Stage): Promise<OpenSwarm>;
}

/** Where a swarm is to work. */
export interface Stage {
  readonly payload: Payload;
  readonly hosts: readonly StageHost[];
  readonly seed: StageMachine;
  readonly tracker: StageMachine;
  readonly signal: AbortSignal;
}

export interface StageMachine {
  readonly name: string;
  readonly address: string;
  /** What is started there runs in its namespace. */
  readonly place: Place;
}

export interface StageHost extends StageMachine {
  readonly rack?: string | undefined;
}

export interface OpenSwarm {
  /** All that is no host: what it uses counts too. */
  readonly services: readonly MeasuredProcess[];
  /** The tracker, where it can be killed. */
  readonly tracker?: MeasuredProcess;
  /**
   * Starts these hosts so far that they only wait for the image; those that start in an instant need
   * not run yet.
   */
  ready(hosts: readonly StageHost[]): Promise<void>;
  /** Makes the image appear. */
  appear(): Promise<Appearance>;
  /** A host comes, or comes again with what it had, while the image is there. */
  come(host: StageHost): RunningHost;
}

/** The image is there. */
export interface Appearance {
  /** Time zero, by `monotonicMs`. */
  readonly atMs: number;
  readonly seed: MeasuredProcess;
  /** Those that were ready, in that order. */
  readonly hosts: readonly RunningHost[];
}

export interface HostReport {
  /** All payload that came from others. */
  readonly receivedBytes: number;
  readonly verifiedBytes: number;
}

export interface RunningHost {
  readonly process: MeasuredProcess;
  /** When it said that it has the whole image, verified and written; and where its tree is. */
  readonly whole: Promise<{ readonly atMs: number; readonly tree: string }>;
  /** Its own last report; of ours alone. */
  report?(): HostReport;
  /** What it had verified when it began to fetch, from before it was started. */
  keptBytes?(): Promise<number>;
}

/** A host whose failure is no stray one, also while nobody waits for it yet. */
export function runningHost(host: RunningHost): RunningHost {
  host.whole.catch(() => undefined);
  return host;
}
