import { packEndpoint } from './peer-address.ts';
import { sampleIndices } from './random-sample.ts';

/** What a peer says of itself. The strings are binary strings: one character a byte. */
export interface Announcement {
  /** 20 bytes; for v2 the first 20 of the info-hash (BEP 52). */
  readonly infoHash: string;
  /** 4 or 16 bytes: where the announcement came from. */
  readonly address: string;
  readonly port: number;
  /** 20 bytes. */
  readonly peerId: string;
  readonly leftBytes: number;
  readonly event: AnnounceEvent;
  /** How many other peers it would like to be told of. */
  readonly wanted: number;
  readonly transport: Transport;
}

/** How a peer speaks: inside TLS with members of its fleet, or as every BitTorrent client does. */
export type Transport = 'sealed' | 'plain';

/** BEP 3; `none` is the regular announce, `paused` that of a partial seed (BEP 21). */
export type AnnounceEvent = 'none' | 'started' | 'stopped' | 'completed' | 'paused';

export interface Counts {
  /** Peers that have everything. */
  readonly seeds: number;
  readonly downloaders: number;
  /** How many became complete while we watched. */
  readonly completed: number;
}

export interface ListedPeer {
  /** Address and port as in compact peer lists: 6 bytes, or 18 for IPv6. */
  readonly endpoint: string;
  readonly peerId: string;
  readonly leftBytes: number;
  readonly lastSeenMs: number;
  readonly transport: Transport;
}

export type AnnounceResult = (Counts & { readonly peers: readonly ListedPeer[] }) | 'full';

export interface SwarmTableInit {
  /** A peer that was silent for longer is forgotten. */
  readonly peerExpiryMs: number;
  readonly maxSwarms: number;
  /** Peers of all swarms together. */
  readonly maxPeers: number;
}

interface Link {
  older: Link;
  newer: Link;
}

interface Peer extends Link, ListedPeer {
  readonly swarm: SwarmEntry;
  peerId: string;
  leftBytes: number;
  lastSeenMs: number;
  transport: Transport;
  /** Where it stands in the list of its role, so that it can be taken out at once. */
  place: number;
}

/** Those who can talk to each other. */
interface Roles {
  readonly seeds: Peer[];
  readonly downloaders: Peer[];
}

interface SwarmEntry {
  readonly infoHash: string;
  readonly peers: Map<string, Peer>;
  readonly roles: Readonly<Record<Transport, Roles>>;
  completed: number;
}

const nothing: Counts = { seeds: 0, downloaders: 0, completed: 0 };

/**
 * Who is in which swarm. Soft state: it is rebuilt from announces within one interval.
 *
 * A peer is known by its address and port in a swarm, so nobody can speak for another host. All
 * peers hang in one list in the order of their last announce: what has expired is at its end, so
 * that each call forgets it first, at no cost for those that stay and with no timer.
 */
export class SwarmTable {
  readonly #swarms = new Map<string, SwarmEntry>();
  readonly #init: SwarmTableInit;
  readonly #random: () => number;
  /** Both ends of the list: `newer` is the peer that was silent longest. */
  readonly #ends: Link;
  #seeds = 0;
  #downloaders = 0;
  #nowMs = -Infinity;

  /** @param components `random` gives numbers from 0 up to, not including, 1 */
  constructor(components: { readonly random: () => number }, init: SwarmTableInit) {
    this.#random = components.random;
    this.#init = init;
    const ends = {} as Link;
    ends.older = ends;
    ends.newer = ends;
    this.#ends = ends;
  }

  /** How many swarms there are, and peers in all of them. */
  totals(nowMs: number): { swarms: number; seeds: number; downloaders: number } {
    this.#expire(nowMs);
    return { swarms: this.#swarms.size, seeds: this.#seeds, downloaders: this.#downloaders };
  }

  /**
   * Takes an announcement in and draws the peers to tell of: never the one that asks, none of the
   * other transport, no seeds for a seed, unless it is a plain one that starts. The counts are of both transports. `full` when the peer is new and there is no room for it; nothing has changed then.
   */
  announce(announcement: Announcement, nowMs: number): AnnounceResult {
    this.#expire(nowMs);
    const { infoHash, address, port } = announcement;
    const endpoint = packEndpoint(address, port);
    const known = this.#swarms.get(infoHash);
    const before = known?.peers.get(endpoint);
    if (announcement.event === 'stopped') {
      // Whoever has the port now may be another: one that started after this one stopped.
      if (before?.peerId === announcement.peerId) this.#remove(before);
      return { ...countsOf(known), peers: [] };
    }
    if (before === undefined && !this.#hasRoom(known)) return 'full';
    const swarm = known ?? this.#addSwarm(infoHash);
    const wasSeed = before?.leftBytes === 0;
    if (before !== undefined) this.#unlink(before);
    const peer = this.#link(swarm, before, endpoint, announcement);
    if (announcement.event === 'completed' && peer.leftBytes === 0 && !wasSeed) swarm.completed++;
    return { ...countsOf(swarm), peers: this.#draw(swarm, peer, announcement) };
  }

  /** The counts of a swarm; undefined when nobody is in it. */
  counts(infoHash: string, nowMs: number): Counts | undefined {
    this.#expire(nowMs);
    const swarm = this.#swarms.get(infoHash);
    return swarm === undefined ? undefined : countsOf(swarm);
  }

  /** Up to `max` swarms, those first that began first. */
  swarms(max: number, nowMs: number): (Counts & { readonly infoHash: string })[] {
    this.#expire(nowMs);
    const listed = [];
    for (const swarm of this.#swarms.values()) {
      if (listed.length === max) break;
      listed.push({ infoHash: swarm.infoHash, ...countsOf(swarm) });
    }
    return listed;
  }

  /** Up to `max` peers of a swarm, those first that came first. */
  peers(infoHash: string, max: number, nowMs: number): ListedPeer[] {
    this.#expire(nowMs);
    const listed: ListedPeer[] = [];
    for (const peer of this.#swarms.get(infoHash)?.peers.values() ?? []) {
      if (listed.length === max) break;
      listed.push(peer);
    }
    return listed;
  }

  #hasRoom(swarm: SwarmEntry | undefined): boolean {
    if (swarm === undefined && this.#swarms.size >= this.#init.maxSwarms) return false;
    return this.#seeds + this.#downloaders < this.#init.maxPeers;
  }

  #addSwarm(infoHash: string): SwarmEntry {
    const roles = {
      sealed: { seeds: [], downloaders: [] },
      plain: { seeds: [], downloaders: [] },
    };
    const swarm = { infoHash, peers: new Map(), roles, completed: 0 };
    this.#swarms.set(infoHash, swarm);
    return swarm;
  }

  #draw(swarm: SwarmEntry, asking: Peer, { wanted, event }: Announcement): ListedPeer[] {
    if (wanted === 0) return [];
    // aria2 starts with a magnet link, not knowing what there is to fetch, as if nothing were left.
    const mayNeedSeeds = event === 'started' && asking.transport === 'plain';
    const { seeds, downloaders } = swarm.roles[asking.transport];
    const seedCount = asking.leftBytes === 0 && !mayNeedSeeds ? 0 : seeds.length;
    // Two more than wanted: the one that asks may be drawn, and once more by its other address.
    const drawn: ListedPeer[] = [];
    for (const index of sampleIndices(seedCount + downloaders.length, wanted + 2, this.#random)) {
      const peer = index < seedCount ? seeds[index] : downloaders[index - seedCount];
      if (peer !== undefined && peer.peerId !== asking.peerId) drawn.push(peer);
    }
    return drawn.slice(0, wanted);
  }

  /** Forgets who was silent for too long. Time never runs backward here. */
  #expire(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const oldestMs = this.#nowMs - this.#init.peerExpiryMs;
    for (let at = this.#ends.newer; at !== this.#ends; at = this.#ends.newer) {
      const peer = at as Peer;
      if (peer.lastSeenMs >= oldestMs) return;
      this.#remove(peer);
    }
  }

  #remove(peer: Peer): void {
    const { swarm } = peer;
    this.#unlink(peer);
    swarm.peers.delete(peer.endpoint);
    if (swarm.peers.size === 0) this.#swarms.delete(swarm.infoHash);
  }

  /** Puts a peer, new or unlinked, at the young end of the list and into the list of its role. */
  #link(
    swarm: SwarmEntry,
    before: Peer | undefined,
    endpoint: string,
    { peerId, leftBytes, transport }: Announcement,
  ): Peer {
    const ends = this.#ends;
    const links = { older: ends.older, newer: ends };
    const said = { peerId, leftBytes, lastSeenMs: this.#nowMs, transport };
    const peer: Peer =
      before === undefined
        ? { swarm, endpoint, ...said, place: 0, ...links }
        : Object.assign(before, said, links);
    ends.older.newer = peer;
    ends.older = peer;
    peer.place = listOf(peer).push(peer) - 1;
    this.#count(peer, 1);
    if (before === undefined) swarm.peers.set(endpoint, peer);
    return peer;
  }

  #unlink(peer: Peer): void {
    peer.older.newer = peer.newer;
    peer.newer.older = peer.older;
    const list = listOf(peer);
    const last = list.pop();
    if (last !== undefined && last !== peer) {
      list[peer.place] = last;
      last.place = peer.place;
    }
    this.#count(peer, -1);
  }

  #count(peer: Peer, by: 1 | -1): void {
    if (peer.leftBytes === 0) this.#seeds += by;
    else this.#downloaders += by;
  }
}

function countsOf(swarm: SwarmEntry | undefined): Counts {
  if (swarm === undefined) return nothing;
  const { sealed, plain } = swarm.roles;
  return {
    seeds: sealed.seeds.length + plain.seeds.length,
    downloaders: sealed.downloaders.length + plain.downloaders.length,
    completed: swarm.completed,
  };
}

/** The list that a peer stands in. */
function listOf({ swarm, transport, leftBytes }: Peer): Peer[] {
  const { seeds, downloaders } = swarm.roles[transport];
  return leftBytes === 0 ? seeds : downloaders;
}
