import { median } from '../report/index.ts';
import type { LinkCount, NetworkCounts } from './network/index.ts';
import { copiesOf } from './payload-rate.ts';
import type { HostEnd } from './running-swarm.ts';
import type { HostSketch } from './scenario.ts';

/** What one run of one peer showed. */
export interface Figures {
  /** From time zero until half of the hosts, and the last of them, had the image. */
  readonly medianSeconds: number;
  readonly lastSeconds: number;
  readonly medianOverBound: number;
  readonly lastOverBound: number;
  /** How many copies left by the seed's link, by its frames. */
  readonly seedCopies: number;
  /** How many copies came into a rack, and left it, by the frames on its uplink; of the most. */
  readonly uplinkInCopies?: number;
  readonly uplinkOutCopies?: number;
  /** When the slow host had it, which the other figures leave out. */
  readonly slowHostSeconds?: number;
  /** How long a late host took from when it came, the longest. */
  readonly lateHostSeconds?: number;
  /**
   * What came to a host by its own reports, over the size of the image; the most. Where hosts were
   * killed, of those, before and after.
   */
  readonly receivedCopies?: number;
  /** What a host that was killed had verified before and had no more after, likewise. */
  readonly lostCopies?: number;
  /** The CPU time of all processes, over the time of all cores. Near 1 the machine is the limit. */
  readonly cpuShare: number;
  /** How many of all frames were lost to full queues. */
  readonly droppedShare: number;
}

export interface RunFacts {
  readonly hosts: readonly HostSketch[];
  readonly ends: readonly HostEnd[];
  readonly boundSeconds: number;
  readonly imageBytes: number;
  readonly before: NetworkCounts;
  readonly after: NetworkCounts;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly cores: number;
}

export function toFigures(facts: RunFacts): Figures {
  const { ends, boundSeconds } = facts;
  const slowNames = new Set(facts.hosts.filter(({ slow }) => slow).map(({ name }) => name));
  const times = ends
    .filter(({ name }) => !slowNames.has(name))
    .map(({ wholeSeconds }) => wholeSeconds);
  const [medianSeconds, lastSeconds] = [median(times), Math.max(...times)];
  return {
    medianSeconds,
    lastSeconds,
    medianOverBound: medianSeconds / boundSeconds,
    lastOverBound: lastSeconds / boundSeconds,
    ...linkFigures(facts),
    ...hostFigures(facts, slowNames),
    cpuShare: facts.cpuSeconds / (facts.wallSeconds * facts.cores),
  };
}

function linkFigures({ before, after, imageBytes }: RunFacts) {
  const copies = (now: LinkCount | undefined, then: LinkCount | undefined): number =>
    copiesOf((now?.bytes ?? 0) - (then?.bytes ?? 0), imageBytes);
  const racks = [...after.racks].map(([name, now]) => {
    const then = before.racks.get(name);
    return { in: copies(now.in, then?.in), out: copies(now.out, then?.out) };
  });
  const seed = copies(after.machines.get('seed')?.up, before.machines.get('seed')?.up);
  const [lost, sent] = [total(after, 'drops') - total(before, 'drops'), total(after, 'packets')];
  return {
    seedCopies: seed,
    ...(racks.length === 0
      ? {}
      : {
          uplinkInCopies: Math.max(...racks.map((rack) => rack.in)),
          uplinkOutCopies: Math.max(...racks.map((rack) => rack.out)),
        }),
    droppedShare: lost / Math.max(1, sent - total(before, 'packets') + lost),
  };
}

function total({ machines, racks }: NetworkCounts, of: 'drops' | 'packets'): number {
  const links = [
    ...[...machines.values()].flatMap(({ up, down }) => [up, down]),
    ...[...racks.values()].flatMap((rack) => [rack.in, rack.out]),
  ];
  return links.reduce((sum, link) => sum + link[of], 0);
}

function hostFigures({ ends, hosts }: RunFacts, slowNames: ReadonlySet<string>) {
  const lateNames = new Set(hosts.filter(({ late }) => late).map(({ name }) => name));
  const slow = ends.filter(({ name }) => slowNames.has(name));
  const late = ends.filter(({ name }) => lateNames.has(name));
  const killed = ends.filter(({ lostCopies }) => lostCopies !== undefined);
  const reporting = killed.length > 0 ? killed : ends;
  const received = reporting.flatMap(({ receivedCopies }) => receivedCopies ?? []);
  const lost = killed.flatMap(({ lostCopies }) => lostCopies ?? []);
  const largest = (values: readonly number[]) => Math.max(...values);
  return {
    ...(slow.length === 0
      ? {}
      : { slowHostSeconds: largest(slow.map(({ wholeSeconds }) => wholeSeconds)) }),
    ...(late.length === 0
      ? {}
      : {
          lateHostSeconds: largest(
            late.map(({ wholeSeconds, cameSeconds = 0 }) => wholeSeconds - cameSeconds),
          ),
        }),
    ...(received.length === 0 ? {} : { receivedCopies: largest(received) }),
    ...(lost.length === 0 ? {} : { lostCopies: largest(lost) }),
  };
}
