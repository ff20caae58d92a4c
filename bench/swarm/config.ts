import { mainScenario, scenarios, type Scenario } from './scenario.ts';

export interface SwarmConfig {
  readonly scenarios: readonly Scenario[];
  /** Names of peers. */
  readonly peers: readonly string[];
  readonly rounds: number;
  readonly sizeBytes: number;
  /** Of a host's link, each way, in bytes of frames. */
  readonly rateBytesPerSecond: number;
  /** Where the hosts' folders are made. */
  readonly directory: string;
  readonly seed: string;
}

export const defaultConfig: SwarmConfig = {
  scenarios,
  peers: ['starling', 'libtorrent', 'aria2c', 'webtorrent', 'curl+nginx'],
  rounds: 3,
  sizeBytes: 64 << 20,
  // 10 Mbit/s: then two cores have time left with 16 hosts.
  rateBytesPerSecond: 1.25e6,
  directory: '/dev/shm',
  seed: 'starling',
};

/** Under a minute in all, for whoever wants to know whether a change cost anything. */
export const quickConfig: Partial<SwarmConfig> = {
  scenarios: scenarios.filter(({ name }) => name === mainScenario),
  peers: ['starling', 'aria2c'],
  rounds: 1,
  sizeBytes: 24 << 20,
  rateBytesPerSecond: 2.5e6,
};
