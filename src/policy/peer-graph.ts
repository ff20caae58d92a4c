/** Where a host stands; empty where nothing was said. A rack is known within its zone. */
export interface Place {
  readonly zone: string;
  readonly rack: string;
}

/**
 * How far two hosts are from each other: 0 in one rack, 1 in one zone, 2 in two zones. What passes
 * between hosts of level 1 goes over the links of two racks.
 */
export type Level = 0 | 1 | 2;

/** @returns how far two places are from each other */
export function levelBetween(one: Place, other: Place): Level {
  if (one.zone !== other.zone) return 2;
  return one.rack === other.rack ? 0 : 1;
}

/**
 * A host's slots among the gateways of its rack, for what comes from other racks, and of its zone,
 * for what comes from other zones. Undefined: it is none there.
 */
export type GatewaySlots = readonly [rack: number | undefined, zone: number | undefined];

/** Somebody whom a host should be connected to. */
export interface Tie<Member> {
  readonly member: Member;
  readonly level: Level;
}

export interface PeerGraphInit {
  /** Rings among the hosts of a rack; each gives a host two neighbours. */
  readonly nearRings: number;
  /** In how many of those a host that stands for its rack has neighbours: it has others farther off. */
  readonly gatewayNearRings: number;
  /** Rings among the gateways of the racks of a zone, and of the zones. */
  readonly farRings: number;
  /** How many hosts of a rack are connected to other racks, and of a zone to other zones. */
  readonly gateways: number;
}

/**
 * What spread fastest among simulated hosts (docs/swarm.md): with more neighbours each piece takes
 * longer to be whole at the first; with fewer, links lie idle.
 */
export const defaultPeerGraphInit: PeerGraphInit = {
  nearRings: 4,
  gatewayNearRings: 3,
  farRings: 5,
  gateways: 6,
};

/** In a small rack rings coincide in places; so many are looked at for one where they don't. */
const placeAttempts = 6;
/** In a small rack most are ties already; so many are drawn for each that is wanted. */
const spareDraws = 6;

/** A member's place in one ring. */
interface Link<Member> {
  readonly node: GraphNode<Member>;
  next: Link<Member>;
  previous: Link<Member>;
}

/** A member of the graph; what `join` returns and all else takes. */
export interface GraphNode<Member> {
  readonly member: Member;
  readonly place: Place;
  readonly isSeed: boolean;
  /** For each level the rings it is in, and its slot among the gateways of the group below it. */
  readonly seats: Seat<Member>[];
}

interface Seat<Member> {
  readonly group: Group<Member>;
  readonly links: Link<Member>[];
  /** Where it stands in the group's list. */
  at: number;
  /** Its slot among those who stand for the group at the level above. */
  slot: number | undefined;
}

/** Hosts of a rack, gateways of the racks of a zone, or gateways of the zones of a fleet. */
interface Group<Member> {
  readonly level: Level;
  readonly key: string;
  readonly parent: Group<Member> | undefined;
  readonly nodes: GraphNode<Member>[];
  /** How many groups below it have members: of one alone nobody need stand for it. */
  parts: number;
  /** Who stands for it at the level above; by slot, with gaps. Seeds do without a slot. */
  readonly gateways: (GraphNode<Member> | undefined)[];
  readonly seedGateways: Set<GraphNode<Member>>;
}

/**
 * Whom each member of a swarm is connected to. The hosts of a rack hang in several random rings;
 * some of them, the rack's gateways, also hang in rings of their zone's gateways, and some of those in
 * rings of the fleet. A ring passes through all its members, and all gateways of a group are in the
 * group's own rings, so that the whole is connected however the labels are spread: no rack can be cut
 * off, and only gateways load a rack's uplink. Rings at random places make a random regular graph, an
 * expander with high probability; joining and leaving touch two neighbours a ring (Law, Siu:
 * Distributed Construction of Random Expander Networks, 2003).
 */
export class PeerGraph<Member> {
  readonly #init: PeerGraphInit;
  readonly #random: () => number;
  readonly #groups = new Map<string, Group<Member>>();
  #size = 0;

  /** @param components `random` gives numbers from 0 up to, not including, 1 */
  constructor(components: { readonly random: () => number }, init: Partial<PeerGraphInit> = {}) {
    this.#random = components.random;
    this.#init = { ...defaultPeerGraphInit, ...init };
  }

  get size(): number {
    return this.#size;
  }

  /** @param isSeed whether it has everything: then it is a gateway as long as there are few */
  join(member: Member, place: Place, isSeed: boolean): GraphNode<Member> {
    const node: GraphNode<Member> = { member, place, isSeed, seats: [] };
    this.#size += 1;
    this.#sit(node, this.#groupOf(place));
    return node;
  }

  leave(node: GraphNode<Member>): void {
    this.#size -= 1;
    for (let level = node.seats.length - 1; level >= 0; level--) this.#rise(node);
  }

  /** All whom it should be connected to, each once, the nearest first. */
  ties(node: GraphNode<Member>): Tie<Member>[] {
    const ties = new Map<GraphNode<Member>, Tie<Member>>();
    const add = (other: GraphNode<Member>) => {
      if (other === node || ties.has(other)) return;
      const level = levelBetween(node.place, other.place);
      ties.set(other, { member: other.member, level });
    };
    for (const seat of node.seats) {
      const { level, parts, parent } = seat.group;
      if (level > 0 && parts < 2) continue;
      if (this.#isMesh(seat.group)) seat.group.nodes.forEach(add);
      const isPassed = this.#gatewayPasser(seat.group);
      for (const [ring, link] of seat.links.entries()) {
        if (isPassed(node, ring)) continue;
        for (const way of ways) add(nextThat(link, way, (other) => !isPassed(other, ring)));
      }
      // Gateways of one group know each other: they share out what comes from outside.
      if (seat.slot === undefined || (parent?.parts ?? 0) < 2) continue;
      for (const other of seat.group.gateways) if (other !== undefined) add(other);
    }
    return [...ties.values()];
  }

  /**
   * Whom the ties of a ring pass by: in the last rings of a rack, among others, who stands for it. Its
   * link is shared by all its neighbours, and what comes into the rack has to go over it first.
   */
  #gatewayPasser({ level, parent }: Group<Member>) {
    if (level > 0 || (parent?.parts ?? 0) < 2) return () => false;
    const { gatewayNearRings } = this.#init;
    return ({ seats }: GraphNode<Member>, ring: number): boolean =>
      ring >= gatewayNearRings && seats.length > 1;
  }

  /** Whether rings would connect nearly all of a rack to all, and a few of them to too few. */
  #isMesh({ level, nodes, parent }: Group<Member>): boolean {
    return level === 0 && (parent?.parts ?? 0) > 1 && nodes.length <= 2 * this.#init.nearRings + 1;
  }

  /**
   * Others for a member that can't reach some of its ties, until those are known to be gone: drawn
   * among the hosts of its rack and, for a gateway, where there are too few, the gateways beyond.
   */
  spares(node: GraphNode<Member>, count: number): Member[] {
    const spares: Member[] = [];
    // As a rule none are wanted.
    if (count === 0) return spares;
    const known = new Set(this.ties(node).map(({ member }) => member)).add(node.member);
    for (const { group } of node.seats) {
      const { nodes } = group;
      for (let draws = spareDraws * count; draws > 0 && spares.length < count; draws--) {
        const drawn = nodes[Math.floor(this.#random() * nodes.length)];
        if (drawn === undefined || known.has(drawn.member)) continue;
        known.add(drawn.member);
        spares.push(drawn.member);
      }
    }
    return spares;
  }

  slots(node: GraphNode<Member>): GatewaySlots {
    return [node.seats[0]?.slot, node.seats[1]?.slot];
  }

  #groupOf({ zone, rack }: Place): Group<Member> {
    const fleet = this.#group('fleet', 2, undefined);
    const zoned = this.#group(`zone ${zone}`, 1, fleet);
    // Zones can hold no line feed, so no two places have one key.
    return this.#group(`rack ${zone}\n${rack}`, 0, zoned);
  }

  #group(key: string, level: Level, parent: Group<Member> | undefined): Group<Member> {
    let group = this.#groups.get(key);
    if (group === undefined) {
      const gateways: Group<Member>['gateways'] = [];
      group = { level, key, parent, nodes: [], parts: 0, gateways, seedGateways: new Set() };
      this.#groups.set(key, group);
    }
    return group;
  }

  /** Takes a seat in a group: in its rings, and if it needs one as its gateway. */
  #sit(node: GraphNode<Member>, group: Group<Member>): void {
    const rings = group.level === 0 ? this.#init.nearRings : this.#init.farRings;
    const links: Link<Member>[] = [];
    const known = new Set<GraphNode<Member>>();
    for (let ring = 0; ring < rings; ring++) {
      const link = linkAfter(node, this.#placeIn(group, ring, known));
      known.add(link.previous.node).add(link.next.node);
      links.push(link);
    }
    node.seats.push({ group, links, at: group.nodes.length, slot: undefined });
    if (group.nodes.push(node) === 1 && group.parent !== undefined) group.parent.parts += 1;
    this.#groups.set(group.key, group);
    this.#appoint(group, node);
  }

  /** A random place in a ring, where it can be between two that it is not beside in another ring. */
  #placeIn(
    group: Group<Member>,
    ring: number,
    known: ReadonlySet<GraphNode<Member>>,
  ): Link<Member> | undefined {
    let best: Link<Member> | undefined;
    let bestNew = -1;
    for (let attempt = 0; attempt < placeAttempts && bestNew < 2; attempt++) {
      const at = Math.floor(this.#random() * group.nodes.length);
      const link = group.nodes[at]?.seats[group.level]?.links[ring];
      if (link === undefined) break;
      const unknown = [link.node, link.next.node].filter((other) => !known.has(other)).length;
      if (unknown <= bestNew) continue;
      best = link;
      bestNew = unknown;
    }
    return best;
  }

  /** Makes it a gateway of the group if one is wanted. */
  #appoint(group: Group<Member>, node: GraphNode<Member>): void {
    const { parent, gateways, seedGateways } = group;
    const seat = node.seats[group.level];
    if (parent === undefined || seat === undefined) return;
    if (node.isSeed) {
      if (seedGateways.size >= this.#init.gateways) return;
      seedGateways.add(node);
    } else {
      const slot = freeSlot(gateways);
      if (slot >= this.#init.gateways) return;
      gateways[slot] = node;
      seat.slot = slot;
    }
    this.#sit(node, parent);
  }

  /** Gives up its seat at the highest level that it has one. */
  #rise(node: GraphNode<Member>): void {
    const seat = node.seats.pop();
    if (seat === undefined) return;
    const { group } = seat;
    for (const link of seat.links) unlink(link);
    const last = group.nodes.pop();
    if (last !== undefined && last !== node) {
      group.nodes[seat.at] = last;
      const moved = last.seats[group.level];
      if (moved !== undefined) moved.at = seat.at;
    }
    if (group.nodes.length === 0) {
      this.#groups.delete(group.key);
      if (group.parent !== undefined) group.parent.parts -= 1;
    }
    const stood = seat.slot !== undefined || group.seedGateways.delete(node);
    if (seat.slot !== undefined) group.gateways[seat.slot] = undefined;
    if (stood) this.#replace(group, node);
  }

  /** Another of its kind stands for the group, if there is one that does not yet. */
  #replace(group: Group<Member>, { isSeed }: GraphNode<Member>): void {
    const next = group.nodes.find(
      (node) => node.isSeed === isSeed && node.seats.length === group.level + 1,
    );
    if (next !== undefined) this.#appoint(group, next);
  }
}

/** A link in a ring: behind another, or a ring of its own. */
function linkAfter<Member>(
  node: GraphNode<Member>,
  before: Link<Member> | undefined,
): Link<Member> {
  const link = { node } as Link<Member>;
  link.previous = before ?? link;
  link.next = before?.next ?? link;
  link.previous.next = link;
  link.next.previous = link;
  return link;
}

const ways = ['next', 'previous'] as const;

/** The first in a ring that is asked for; the ring's member itself is one that is. */
function nextThat<Member>(
  from: Link<Member>,
  way: (typeof ways)[number],
  isWanted: (node: GraphNode<Member>) => boolean,
): GraphNode<Member> {
  let at = from[way];
  while (!isWanted(at.node)) at = at[way];
  return at.node;
}

function unlink<Member>({ next, previous }: Link<Member>): void {
  previous.next = next;
  next.previous = previous;
}

function freeSlot<Member>(gateways: readonly (GraphNode<Member> | undefined)[]): number {
  const gap = gateways.indexOf(undefined);
  return gap >= 0 ? gap : gateways.length;
}
