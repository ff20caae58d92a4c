/** How trackers are asked. */
export interface Way {
  readonly name: 'http' | 'http-kept' | 'udp';
  readonly title: string;
  /** Over what the ratio of this way is, when it is not this way of the other tracker. */
  readonly ratioOver?: Way['name'];
}

export const ways: readonly Way[] = [
  { name: 'http', title: 'HTTP, a connection for each announce' },
  // opentracker closes after each answer.
  { name: 'http-kept', title: 'HTTP, connections kept', ratioOver: 'http' },
  { name: 'udp', title: 'UDP' },
];

export interface TrackerBenchConfig {
  readonly ways: readonly Way['name'][];
  readonly rounds: number;
  readonly swarms: number;
  readonly peers: number;
  /** How many peers each announce wants. */
  readonly wanted: number;
  /** How long each way is measured. */
  readonly seconds: number;
  /** Before it is measured, so that all peers are known and code is compiled. */
  readonly warmUpSeconds: number;
  /** Connections of HTTP, or announces under way of UDP, at once. */
  readonly atOnce: number;
  /** How long one process may live. */
  readonly deadlineMs: number;
}

export const defaultConfig: TrackerBenchConfig = {
  ways: ways.map(({ name }) => name),
  rounds: 5,
  swarms: 1_000,
  peers: 100_000,
  wanted: 50,
  seconds: 10,
  warmUpSeconds: 8,
  atOnce: 64,
  deadlineMs: 300_000,
};

/** Under a minute in all. */
export const quickConfig: Partial<TrackerBenchConfig> = {
  rounds: 1,
  seconds: 3,
  warmUpSeconds: 1,
};

/** The trackers have one core and whoever loads them the other. */
export const trackerCore = 0;
export const loadCore = 1;
