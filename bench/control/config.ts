export interface ControlBenchConfig {
  /** How many fetchers run, and how many clients of ZooKeeper. */
  readonly hosts: number;
  readonly changes: number;
  /** Made before, and not measured: code is compiled then. */
  readonly warmUpChanges: number;
  /** Between two changes, when all have been told of the first. */
  readonly pauseMs: number;
  /** How many sessions are simulated with one more tracker; 0: none. */
  readonly sessions: number;
  readonly sessionChanges: number;
  /** A change of which not all have been told after so long has failed. */
  readonly patienceMs: number;
  /** How long one process may live. */
  readonly deadlineMs: number;
}

export const defaultConfig: ControlBenchConfig = {
  hosts: 12,
  changes: 200,
  warmUpChanges: 20,
  pauseMs: 300,
  sessions: 0,
  sessionChanges: 30,
  patienceMs: 30_000,
  deadlineMs: 1_800_000,
};

/** Under a minute in all. */
export const quickConfig: Partial<ControlBenchConfig> = { changes: 50, warmUpChanges: 10 };
