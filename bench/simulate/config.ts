import type { PeerGraphInit } from '../../src/policy/index.ts';
import { scenarioNames } from './scenarios.ts';

export interface SimulateConfig {
  /** Names of scenarios; also `growth`. */
  readonly scenarios: readonly string[];
  /** Hosts that fetch. */
  readonly hosts: number;
  readonly pieces: number;
  /** How often each runs, with another seed each time. */
  readonly rounds: number;
  /** That of the first round. */
  readonly seed: number;
  /** How many neighbours a host sends to at a time; what it has connections for, as it is now. */
  readonly uploads: number;
  /** How many pieces are asked of one neighbour at a time; undefined: as `hasRequestRoom` says. */
  readonly outstanding?: number | undefined;
  /** Where it differs from what the tracker does: `PeerGraph` of src/policy. */
  readonly graph: Partial<PeerGraphInit>;
}

export const defaultConfig: SimulateConfig = {
  scenarios: scenarioNames,
  hosts: 10_000,
  pieces: 1_000,
  rounds: 3,
  seed: 1,
  uploads: 1_000,
  graph: {},
};

/** Under a minute in all. */
export const quickConfig: Partial<SimulateConfig> = {
  scenarios: ['equal', 'racks', 'equal-16', 'equal-32', 'two-racks', 'growth'],
  hosts: 1_000,
  rounds: 1,
};

/** The hosts of `growth`; those above what was asked for are left out. */
export const growthHosts: readonly number[] = [
  10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000,
];
