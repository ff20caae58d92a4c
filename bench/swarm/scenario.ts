import type { RackSketch } from './network/index.ts';

/** What is done to a swarm while it works. */
export type Fault = 'seed-leaves' | 'tracker-dies' | 'hosts-restart';

/** Who fetches over what network, and what happens meanwhile. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly hosts: number;
  /** Links are so many times as fast as `--rate` says, so that this machine is never the limit. */
  readonly rateFactor: number;
  /** How many racks the hosts stand in, and how many times their links are more than its uplink. */
  readonly racks?: { readonly count: number; readonly oversubscribed: number };
  /** The last host's link is this part of the others'; figures are of the others. */
  readonly slowHostFactor?: number;
  /** This part of the hosts comes when half the bound has passed. */
  readonly lateShare?: number;
  readonly fault?: Fault;
}

const usual = { hosts: 16, rateFactor: 1 } as const;

/** What is told in short. */
export const mainScenario = 'equal-16';

export const scenarios: readonly Scenario[] = [
  { name: mainScenario, title: '16 hosts on equal links', ...usual },
  { name: 'equal-32', title: '32 hosts on links half as fast', hosts: 32, rateFactor: 0.5 },
  {
    name: 'two-racks',
    title: '2 racks of 8, uplinks oversubscribed 4:1',
    ...usual,
    racks: { count: 2, oversubscribed: 4 },
  },
  {
    name: 'slow-host',
    title: '16 hosts, one at a quarter of the rate',
    ...usual,
    slowHostFactor: 0.25,
  },
  { name: 'late', title: '16 hosts, four of them come late', ...usual, lateShare: 0.25 },
  {
    name: 'seed-leaves',
    title: '16 hosts, the seed dies when each piece is at another host',
    ...usual,
    fault: 'seed-leaves',
  },
  { name: 'tracker-dies', title: '16 hosts, the tracker dies', ...usual, fault: 'tracker-dies' },
  {
    name: 'hosts-restart',
    title: '16 hosts, a third is killed and starts again',
    ...usual,
    fault: 'hosts-restart',
  },
];

/** A host of a scenario. */
export interface HostSketch {
  readonly name: string;
  readonly rack?: string;
  /** Of its link, in bytes of frames. */
  readonly rateBytesPerSecond: number;
  readonly slow: boolean;
  /** Whether it comes late. */
  readonly late: boolean;
}

export interface FleetSketch {
  /** At the core, in no rack. */
  readonly seedBytesPerSecond: number;
  readonly hosts: readonly HostSketch[];
  readonly racks: readonly RackSketch[];
}

/** The hosts and racks of a scenario. @param rateBytesPerSecond of a usual link, each way */
export function sketchFleet(scenario: Scenario, rateBytesPerSecond: number): FleetSketch {
  const rate = rateBytesPerSecond * scenario.rateFactor;
  const { hosts: count, racks, slowHostFactor, lateShare = 0 } = scenario;
  const perRack = racks === undefined ? count : Math.ceil(count / racks.count);
  const hosts = Array.from({ length: count }, (_, index): HostSketch => {
    const slow = slowHostFactor !== undefined && index === count - 1;
    return {
      name: `host-${index + 1}`,
      ...(racks === undefined ? {} : { rack: rackName(Math.floor(index / perRack)) }),
      rateBytesPerSecond: slow ? rate * slowHostFactor : rate,
      slow,
      late: index >= count - Math.round(count * lateShare),
    };
  });
  return {
    seedBytesPerSecond: rate,
    hosts,
    racks: Array.from({ length: racks?.count ?? 0 }, (_, index) => ({
      name: rackName(index),
      uplinkBytesPerSecond: (perRack * rate) / (racks?.oversubscribed ?? 1),
    })),
  };
}

const rackName = (index: number): string => `rack-${index + 1}`;
