import { finalize } from './rendezvous.ts';

/** A host that takes part in a rollout. */
export interface Participant {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it has been permitted: then it stands before all who have not. */
  readonly isTried: boolean;
}

interface Seat<Host> {
  readonly host: Host;
  /** Its place in its group, from 0 to 1. */
  readonly place: number;
  readonly tie: number;
}

/**
 * The order in which hosts are tried. In a rack it is that of a hash of rollout and host, so another
 * rollout begins with other hosts; racks are interleaved in proportion to their sizes, and so are
 * zones. At any place of the order, racks of one size in a zone, and zones of one size, have had as
 * many hosts as each other, give or take one: none goes first as a whole. A host that comes late
 * has the place that it would have had.
 */
export function hostOrder<Host extends Participant>(
  rolloutId: string,
  hosts: readonly Host[],
): Host[] {
  const zones = grouped(hosts, ({ labels }) => labels.zone ?? '');
  const byZone = new Map<string, Host[]>();
  for (const [zone, ofZone] of zones) {
    const racks = grouped(ofZone, ({ labels }) => labels.rack ?? '');
    const byRack = new Map<string, Host[]>();
    for (const [rack, ofRack] of racks) byRack.set(`${zone}/${rack}`, shuffled(rolloutId, ofRack));
    byZone.set(zone, interleaved(rolloutId, byRack));
  }
  const all = interleaved(rolloutId, byZone);
  return [...all.filter(({ isTried }) => isTried), ...all.filter(({ isTried }) => !isTried)];
}

/** The wave of the host at a place of the order, counted from 0; undefined: beyond the last. */
export function waveOf(place: number, sizes: readonly number[]): number | undefined {
  const wave = sizes.findIndex((size) => place < size);
  return wave < 0 ? undefined : wave;
}

function shuffled<Host extends Participant>(rolloutId: string, hosts: readonly Host[]): Host[] {
  const seats = hosts.map((host) => ({
    host,
    place: host.isTried ? 0 : 1,
    tie: textHash(`${rolloutId} ${host.id}`),
  }));
  return inOrder(seats);
}

function interleaved<Host extends Participant>(
  rolloutId: string,
  groups: ReadonlyMap<string, readonly Host[]>,
): Host[] {
  const seats: Seat<Host>[] = [];
  for (const [name, hosts] of groups) {
    const tie = textHash(`${rolloutId} ${name}`);
    // Where a group begins differs: else groups of one host would all come at once, in the middle.
    const first = tie / 2 ** 32;
    hosts.forEach((host, at) => seats.push({ host, place: (at + first) / hosts.length, tie }));
  }
  return inOrder(seats);
}

function inOrder<Host extends Participant>(seats: Seat<Host>[]): Host[] {
  seats.sort(
    (one, other) =>
      one.place - other.place ||
      one.tie - other.tie ||
      (one.host.id < other.host.id ? -1 : Number(one.host.id > other.host.id)),
  );
  return seats.map(({ host }) => host);
}

function grouped<Host>(
  hosts: readonly Host[],
  nameOf: (host: Host) => string,
): Map<string, Host[]> {
  const groups = new Map<string, Host[]>();
  for (const host of hosts) {
    const name = nameOf(host);
    const group = groups.get(name);
    if (group) group.push(host);
    else groups.set(name, [host]);
  }
  return groups;
}

/** 32 bits of a text (FNV-1a over its UTF-16 units, then the finalizer of MurmurHash3). */
function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return finalize(hash) >>> 0;
}
