/** A host and its links, in payload bytes per second. */
export interface HostLinks {
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  /** The group that it is in (a rack, or a zone without racks), by name. */
  readonly group?: string | undefined;
}

/** Hosts behind a common link to all others. A rack's zone is its `parent`. */
export interface GroupLinks {
  readonly name: string;
  readonly parent?: string | undefined;
  /** To the others, and from them; Infinity where that link limits nothing. */
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
}

export interface Topology {
  /** Hosts that have the image. */
  readonly seeds: readonly HostLinks[];
  /** Hosts that fetch it. */
  readonly hosts: readonly HostLinks[];
  readonly groups?: readonly GroupLinks[] | undefined;
}

export interface ImageSize {
  readonly sizeBytes: number;
  readonly pieceCount: number;
}

/**
 * The seconds that no schedule can beat until the last host has the image. For one seed and N hosts
 * of equal rate b: F/b * (1 + floor(log2 N)/M) (Mundinger, Weber, Weiss 2008). For unequal rates also
 * F over all that seeds send, F over the slowest host's link, and all copies over all that anybody
 * sends; for a group the same, with its link as one more sender, and F over that link for the first
 * copy. Payload only: headers are for the caller to take off the rates.
 */
export function lowerBound(topology: Topology, image: ImageSize): number {
  const { seeds, hosts, groups = [] } = topology;
  const { sizeBytes } = image;
  if (hosts.length === 0 || sizeBytes <= 0) return 0;
  const whole = { up: sumOfUp(seeds) + sumOfUp(hosts), hosts: hosts.length, seeds: seeds.length };
  const slowest = hosts.reduce((least, host) => Math.min(least, host.downBytesPerSecond), Infinity);
  let seconds = Math.max(
    sizeBytes / sumOfUp(seeds),
    sizeBytes / slowest,
    (whole.hosts * sizeBytes) / whole.up,
    roundsBound(topology, image),
  );
  for (const [group, part] of partsOf(topology, groups)) {
    seconds = Math.max(seconds, groupBound(group, part, whole, sizeBytes));
  }
  return seconds;
}

/** The hosts of a group, and of the groups within it. */
interface Part {
  up: number;
  hosts: number;
  seeds: number;
}

const sumOfUp = (hosts: readonly HostLinks[]): number =>
  hosts.reduce((sum, host) => sum + host.upBytesPerSecond, 0);

function groupBound(group: GroupLinks, part: Part, whole: Part, sizeBytes: number): number {
  let seconds = 0;
  if (part.hosts > 0) {
    if (part.seeds === 0) seconds = sizeBytes / group.downBytesPerSecond;
    seconds = Math.max(seconds, (part.hosts * sizeBytes) / (part.up + group.downBytesPerSecond));
  }
  // Where all seeds are within, one copy at least has to leave.
  if (part.seeds === whole.seeds && part.hosts < whole.hosts) {
    seconds = Math.max(seconds, sizeBytes / group.upBytesPerSecond);
  }
  return seconds;
}

function partsOf(topology: Topology, groups: readonly GroupLinks[]): Map<GroupLinks, Part> {
  const byName = new Map(groups.map((group) => [group.name, group]));
  const parts = new Map(groups.map((group) => [group, { up: 0, hosts: 0, seeds: 0 }]));
  const add = (host: HostLinks, role: 'hosts' | 'seeds') => {
    const seen = new Set<GroupLinks>();
    let group = host.group === undefined ? undefined : byName.get(host.group);
    while (group !== undefined && !seen.has(group)) {
      seen.add(group);
      const part = parts.get(group);
      if (part !== undefined) {
        part.up += host.upBytesPerSecond;
        part[role] += 1;
      }
      group = group.parent === undefined ? undefined : byName.get(group.parent);
    }
  };
  for (const seed of topology.seeds) add(seed, 'seeds');
  for (const host of topology.hosts) add(host, 'hosts');
  return parts;
}

/**
 * Whole pieces have to be passed on. With S seeds the last piece leaves them in slot M/S at the
 * earliest, to S hosts at the most, and in each slot after that those who have it can double. Slots
 * are of the fastest link: so it holds for all.
 */
function roundsBound({ seeds, hosts }: Topology, { sizeBytes, pieceCount }: ImageSize): number {
  let fastest = 0;
  for (const { upBytesPerSecond: up } of seeds) fastest = Math.max(fastest, up);
  for (const host of hosts) {
    fastest = Math.max(fastest, host.upBytesPerSecond, host.downBytesPerSecond);
  }
  const pieces = Math.max(1, pieceCount);
  const doublings = Math.ceil(Math.log2((hosts.length + seeds.length) / seeds.length)) - 1;
  const slots = pieces / seeds.length + Math.max(0, doublings);
  return (sizeBytes / pieces / fastest) * slots;
}
