import { PeerGraph, type GraphNode } from '../src/policy/index.ts';
import { AgeLists, type Aging } from './age-lists.ts';
import type {
  Announcement,
  AnnounceResult,
  Counts,
  ListedPeer,
  Standing,
  Transport,
} from './announcement.ts';
import { IndexSampler } from './index-sampler.ts';
import { packEndpoint } from './peer-address.ts';

export interface SwarmTableInit {
  /** What peers are told of which `announce` is not told anything else. */
  readonly announceIntervalMs: number;
  /** A peer is forgotten when it was silent for two of its intervals and this. */
  readonly peerExpiryMarginMs: number;
  readonly maxSwarms: number;
  /** Peers of all swarms together. */
  readonly maxPeers: number;
}

interface Peer extends Aging, ListedPeer {
  readonly swarm: SwarmEntry;
  peerId: string;
  /** By it most ids are told apart without looking at them: each look is a trip to memory. */
  idTail: number;
  leftBytes: number;
  lastSeenMs: number;
  transport: Transport;
  /** Where it stands in the list of its role, so that it can be taken out at once. */
  place: number;
  standing: Standing | undefined;
  readonly arrival: number;
  /** Of a host of the fleet. */
  node: GraphNode<Peer> | undefined;
}

/** A host of the fleet in a swarm. */
export interface ListedHost extends ListedPeer {
  readonly standing: Standing;
  /** Grows from one that came to the next. */
  readonly arrival: number;
}

/**
 * Told at once of a peer that announced itself in a watched swarm, or left it, and of what that had
 * said before as a host of the fleet. It must not call the table.
 */
export type OnSwarmChange = (peer: ListedPeer, before: Standing | undefined) => void;

/** Those who can talk to each other. */
interface Roles {
  readonly seeds: Peer[];
  readonly downloaders: Peer[];
}

interface SwarmEntry {
  readonly infoHash: string;
  readonly peers: Map<string, Peer>;
  readonly roles: Readonly<Record<Transport, Roles>>;
  /** Whom hosts of the fleet are connected to. */
  readonly graphs: Partial<Record<Transport, PeerGraph<Peer>>>;
  completed: number;
}

/** Where only one kind of address will do, so many are drawn for each that is wanted. */
const drawsForFamily = 4;

const nothing: Counts = { seeds: 0, downloaders: 0, completed: 0 };

/**
 * Who is in which swarm. Soft state: it is rebuilt from announces within one interval.
 *
 * A peer is known by its address and port in a swarm, so nobody can speak for another host. Each
 * call first forgets who has expired, at no cost for those that stay and with no timer.
 */
export class SwarmTable {
  readonly #swarms = new Map<string, SwarmEntry>();
  readonly #init: SwarmTableInit;
  readonly #random: () => number;
  readonly #sampler: IndexSampler;
  readonly #ages: AgeLists;
  readonly #watched = new Map<string, OnSwarmChange>();
  #arrivals = 0;
  #seeds = 0;
  #downloaders = 0;
  #nowMs = -Infinity;

  /** @param components `random` gives numbers from 0 up to, not including, 1 */
  constructor(components: { readonly random: () => number }, init: SwarmTableInit) {
    this.#random = components.random;
    this.#sampler = new IndexSampler(components.random);
    this.#ages = new AgeLists(init.peerExpiryMarginMs);
    this.#init = init;
  }

  /** How many swarms there are, and peers in all of them. */
  totals(nowMs: number): { swarms: number; seeds: number; downloaders: number } {
    this.#expire(nowMs);
    return { swarms: this.#swarms.size, seeds: this.#seeds, downloaders: this.#downloaders };
  }

  /**
   * Takes an announcement in and draws the peers to tell of: never the one that asks, none of the
   * other transport, no seeds for a seed, unless it is a plain one that starts. The counts are of
   * both transports. When the answer is `full`, nothing has changed.
   * @param intervalMs when it is told to announce itself again, and so when it expires
   */
  announce(
    announcement: Announcement,
    nowMs: number,
    intervalMs: number = this.#init.announceIntervalMs,
  ): AnnounceResult {
    this.#expire(nowMs);
    const { infoHash, address, port } = announcement;
    const endpoint = packEndpoint(address, port);
    const known = this.#swarms.get(infoHash);
    const before = known?.peers.get(endpoint);
    const toldMs = before?.intervalMs ?? intervalMs;
    if (announcement.event === 'stopped') {
      // Whoever has the port now may be another: one that started after this one stopped.
      if (before?.peerId === announcement.peerId) this.#remove(before);
      return resultOf(known, [], toldMs);
    }
    if (before === undefined && !this.#hasRoom(known)) return 'full';
    const swarm = known ?? this.#addSwarm(infoHash);
    const wasSeed = before?.leftBytes === 0;
    if (before !== undefined) this.#unlink(before);
    const peer = this.#link(swarm, before, endpoint, announcement, intervalMs);
    if (announcement.event === 'completed' && peer.leftBytes === 0 && !wasSeed) swarm.completed++;
    const { standing, missing } = announcement;
    const stoodBefore = before?.standing;
    const ties = standing && this.#stand(peer, standing, missing);
    this.#watched.get(infoHash)?.(peer, stoodBefore);
    return { ...resultOf(swarm, this.#draw(swarm, peer, announcement), toldMs), ...ties };
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

  /** The hosts of the fleet in a swarm, those first that came first. Nothing may change meanwhile. */
  *hosts(infoHash: string, nowMs: number): Generator<ListedHost> {
    this.#expire(nowMs);
    for (const peer of this.#swarms.get(infoHash)?.peers.values() ?? []) {
      if (isHost(peer)) yield peer;
    }
  }

  /** A host of the fleet by its address and port; undefined when it is not in the swarm (any more). */
  host(infoHash: string, endpoint: string): ListedHost | undefined {
    const peer = this.#swarms.get(infoHash)?.peers.get(endpoint);
    return peer !== undefined && isHost(peer) ? peer : undefined;
  }

  /** Tells of changes in a swarm, be there one or not, until it is told of none: undefined. */
  watch(infoHash: string, onChange: OnSwarmChange | undefined): void {
    if (onChange === undefined) this.#watched.delete(infoHash);
    else this.#watched.set(infoHash, onChange);
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
    const swarm = { infoHash, peers: new Map(), roles, graphs: {}, completed: 0 };
    this.#swarms.set(infoHash, swarm);
    return swarm;
  }

  #draw(swarm: SwarmEntry, asking: Peer, announcement: Announcement): ListedPeer[] {
    const { wanted, event, sameFamily = false } = announcement;
    const drawn: ListedPeer[] = [];
    if (wanted === 0) return drawn;
    // aria2 starts with a magnet link, not knowing what there is to fetch, as if nothing were left.
    const mayNeedSeeds = event === 'started' && asking.transport === 'plain';
    const { seeds, downloaders } = swarm.roles[asking.transport];
    const seedCount = asking.leftBytes === 0 && !mayNeedSeeds ? 0 : seeds.length;
    // Two more than wanted: the one that asks may be drawn, and once more by its other address.
    const enough = (wanted + 2) * (sameFamily ? drawsForFamily : 1);
    for (const index of this.#sampler.sample(seedCount + downloaders.length, enough)) {
      if (drawn.length === wanted) break;
      const peer = index < seedCount ? seeds[index] : downloaders[index - seedCount];
      if (peer === undefined || isSame(peer, asking)) continue;
      if (sameFamily && peer.endpoint.length !== asking.endpoint.length) continue;
      drawn.push(peer);
    }
    return drawn;
  }

  /** Puts a host of the fleet into the graph, where it is not there yet. */
  #stand(peer: Peer, standing: Standing, missing = 0) {
    const { graphs } = peer.swarm;
    const graph = (graphs[peer.transport] ??= new PeerGraph({ random: this.#random }));
    const { zone, rack } = peer.node?.place ?? {};
    if (zone !== standing.place.zone || rack !== standing.place.rack) this.#unstand(peer);
    peer.standing = standing;
    peer.node ??= graph.join(peer, standing.place, peer.leftBytes === 0);
    const ties = graph.ties(peer.node).map(({ member }) => member);
    const spares = graph.spares(peer.node, missing);
    return { ties, slots: graph.slots(peer.node), spares };
  }

  #unstand(peer: Peer): void {
    if (peer.node === undefined) return;
    peer.swarm.graphs[peer.transport]?.leave(peer.node);
    peer.node = undefined;
  }

  /** Time never runs backward here. */
  #expire(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    for (;;) {
      const peer = this.#ages.expired(this.#nowMs);
      if (peer === undefined) return;
      this.#remove(peer as Peer);
    }
  }

  #remove(peer: Peer): void {
    const { swarm } = peer;
    this.#unlink(peer);
    this.#unstand(peer);
    swarm.peers.delete(peer.endpoint);
    if (swarm.peers.size === 0) this.#swarms.delete(swarm.infoHash);
    this.#watched.get(swarm.infoHash)?.(peer, peer.standing);
  }

  /** Puts a peer, new or unlinked, into the list of its role and where its age is known. */
  #link(
    swarm: SwarmEntry,
    before: Peer | undefined,
    endpoint: string,
    { peerId, leftBytes, transport }: Announcement,
    intervalMs: number,
  ): Peer {
    const peer = before ?? newPeer(swarm, endpoint, ++this.#arrivals);
    // Who says the same id again need not keep the new string.
    if (peer.peerId !== peerId) {
      // Another has the port now.
      this.#unstand(peer);
      peer.standing = undefined;
      peer.peerId = peerId;
      peer.idTail = tailOf(peerId);
    }
    peer.leftBytes = leftBytes;
    if (peer.transport !== transport) this.#unstand(peer);
    peer.transport = transport;
    peer.lastSeenMs = this.#nowMs;
    peer.intervalMs = intervalMs;
    this.#ages.add(peer);
    peer.place = listOf(peer).push(peer) - 1;
    this.#count(peer, 1);
    if (before === undefined) swarm.peers.set(endpoint, peer);
    return peer;
  }

  #unlink(peer: Peer): void {
    this.#ages.remove(peer);
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

const isHost = (peer: Peer): peer is Peer & ListedHost => peer.standing !== undefined;

function newPeer(swarm: SwarmEntry, endpoint: string, arrival: number): Peer {
  const said = { peerId: '', idTail: 0, leftBytes: 0, transport: 'plain' as const, lastSeenMs: 0 };
  // Its place and its neighbours are known when it is put there.
  const links = { intervalMs: 0, place: 0, older: undefined, newer: undefined } as unknown as Aging;
  const fleet = { standing: undefined, node: undefined };
  return { swarm, endpoint, arrival, ...said, ...links, place: 0, ...fleet };
}

const isSame = (one: Peer, other: Peer): boolean =>
  one.idTail === other.idTail && one.peerId === other.peerId;

/** Four of the twenty bytes: the end of an id is what differs between clients of one kind. */
const tailOf = (id: string): number =>
  ((id.charCodeAt(16) & 0x3f) << 24) |
  (id.charCodeAt(17) << 16) |
  (id.charCodeAt(18) << 8) |
  id.charCodeAt(19);

const resultOf = (
  swarm: SwarmEntry | undefined,
  peers: readonly ListedPeer[],
  toldMs: number,
): Exclude<AnnounceResult, 'full'> => ({ ...countsOf(swarm), peers, toldMs });

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
