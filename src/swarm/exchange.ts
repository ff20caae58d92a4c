import { isIP } from 'node:net';
import { ConfigError, isStarlingError, PeerError } from '../errors.ts';
import type { TreeDurability, ImageStore, StoredImage, V1Torrent } from '../image/index.ts';
import type { OriginBudget, Place } from '../policy/index.ts';
import type { Endpoint } from './announce.ts';
import { Announcer } from './announcer.ts';
import type { DataLane } from './data/data-lane.ts';
import { DataLanes } from './data/data-lanes.ts';
import type { DataEvent, Transport } from './data/data-protocol.ts';
import { DialBook } from './dial-book.ts';
import { encodeHandshake, type Handshake } from './handshake.ts';
import { Peer } from './peer.ts';
import { PieceBudget } from './piece-budget.ts';
import { whyUnanswered } from './refusals.ts';
import type { Seal } from './seal.ts';
import { SealedMembers } from './sealed-members.ts';
import { Swarm, type SwarmInit } from './swarm.ts';
import { SwarmAnnouncing, type SwarmTies } from './swarm-announcing.ts';
import { SwarmData, type LimitChange, type RateLimits, type SwarmLimits } from './swarm-data.ts';
import type { SwarmStatus } from './swarm-status.ts';
import { TrackerSession } from './tracker-session.ts';
import { V1Seed } from './v1-seed.ts';
import { WebPeer } from './web-peer.ts';
import { webSeedFolder } from './web-seed-url.ts';
import type { OriginPace } from './web-rates.ts';
import { WebSeeds } from './web-seeds.ts';

export interface ExchangeComponents {
  readonly store: ImageStore;
  readonly durability: TreeDurability;
  /** A number from 0 to below 1; decides ties and the peer id. */
  readonly random: () => number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** What an exchange needs of a seal. With a fleet `members` says nothing. */
export type ExchangeSeal = Pick<Seal, 'peerId' | 'tls' | 'members' | 'onChange' | 'onRenewal'> &
  Partial<Pick<Seal, 'fleet'>>;

export interface ExchangeInit {
  readonly host: string;
  /** Of the sealed listener, or, without a seal, of the plain one. 0: the system gives one. */
  readonly port: number;
  /** With it connections are sealed, and what this host opens always is. */
  readonly seal: ExchangeSeal | undefined;
  /** Whether ordinary BitTorrent clients may connect: plain, and whoever they are. */
  readonly open: boolean;
  /** The port for those, where there is a sealed listener too. */
  readonly openPort: number;
  /** How many threads carry the data; 0: the thread of the caller does. */
  readonly threads: number;
  readonly trackers: readonly string[];
  /** The only certificates that are believed of trackers of ours, in PEM; else those that the system knows. */
  readonly trackerAuthorities?: string | undefined;
  /** Where the same images lie for HTTP (BEP 19): the folder STORE/ID/, `{id}` stands for ID. */
  readonly webSeeds: readonly string[];
  /** What this host may take from web seeds where no tracker of ours decides. */
  readonly originBudget?: OriginBudget | undefined;
  /** Limits of all swarms together; Infinity: none. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly maxConnections: number;
  /** What this host is called, for people. */
  readonly hostName?: string | undefined;
  /** Where it stands, as its operator says. */
  readonly place: Place;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
  readonly onChange?: ((status: SwarmStatus) => void) | undefined;
}

export const defaultExchangeInit: ExchangeInit = {
  host: '0.0.0.0',
  port: 0,
  seal: undefined,
  open: false,
  openPort: 0,
  threads: 1,
  trackers: [],
  webSeeds: [],
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
  maxConnections: 200,
  place: { zone: '', rack: '' },
};

interface Membership {
  readonly swarm: Swarm;
  readonly data: SwarmData;
  readonly announcing: SwarmAnnouncing;
  readonly dials: DialBook;
  /** The apps under which this host has the image. */
  readonly apps: Set<string>;
}

export interface AppsInit {
  /**
   * The apps of which the image is, as far as this host knows. Only members whose credential allows one
   * of them are told of it, served, or asked; where none is known, only those that may have every app.
   */
  readonly apps?: readonly string[] | undefined;
}

/** What is known of an image that is to be fetched, beside its id. */
export type FetchInit = Pick<SwarmInit, 'infoBytes' | 'metainfo' | 'v1InfoHash' | 'v1'> & AppsInit;

const handshakeTimeoutMs = 10_000;
const tickMs = 1_000;
const wantedPeers = 50;
/** With fewer ties there are not too many connections. */
const fewestTies = 6;
/** Blocks kept in memory for peers that ask for what others asked for. */
const cacheBytes = 16 << 20;
/** Pieces that are put together, or wait to be written, in all swarms. */
const budgetBytes = 48 << 20;

/**
 * The data plane of one host as its main thread sees it: listeners, connections, limits and swarms.
 * The main thread decides; what carries the data is in ./data.
 */
export class Exchange implements AsyncDisposable {
  readonly peerId: Buffer;
  readonly #components: ExchangeComponents;
  readonly #init: ExchangeInit;
  readonly #lanes: DataLanes;
  readonly #memberships = new Map<string, Membership>();
  readonly #byKey = new Map<number, Membership>();
  readonly #v1Seeds = new Map<string, { seed: V1Seed; announcer: Announcer }>();
  readonly #peers = new Map<number, Peer>();
  /** Those that were ended, and whose last counters are still to come. */
  readonly #leaving = new Map<number, Peer>();
  readonly #budget = new PieceBudget({ limitBytes: budgetBytes });
  readonly #ports = new Map<Transport, number>();
  readonly #sessions: ReadonlyMap<string, TrackerSession>;
  readonly #members: SealedMembers;
  readonly #originPace: OriginPace = { bytesPerSecond: 0 };
  #nextKey = 1;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    this.#init = init;
    const prefix = Buffer.from('-SG0100-', 'latin1');
    const bytes = Array.from({ length: 12 }, () => Math.floor(components.random() * 256));
    this.peerId = Buffer.concat([prefix, Buffer.from(bytes)]);
    this.#lanes = new DataLanes(
      {
        onAccepted: (event, lane) => {
          this.#accept(event, lane);
        },
        onEvent: (event) => {
          this.#onEvent(event);
        },
        onDeath: (error, lane) => {
          this.#onDeath(error, lane);
        },
      },
      { ...init, cacheBytes, tls: init.seal?.tls },
    );
    const { seal } = init;
    this.#members = new SealedMembers(
      { lanes: this.#lanes },
      { peerId: seal?.peerId, fleet: seal?.fleet },
    );
    this.#sessions = new Map(init.trackers.map((url) => [url, this.#openSession(url)]));
  }

  #openSession(url: string): TrackerSession {
    return new TrackerSession(this.#components, {
      url,
      authorities: this.#init.trackerAuthorities,
      describeHost: () => ({
        peerId: this.peerId.toString('hex'),
        port: this.port,
        sealed: this.#transport === 'sealed',
        host: this.#init.hostName,
        ...this.#init.place,
      }),
      onError: this.#onAnnounceError,
    });
  }

  /**
   * Opens the listeners.
   * @throws ConfigError CONFIG_IN_USE when an address can't be listened on; CONFIG_MISSING when it is
   * neither said who belongs nor that anybody does; CONFIG_INVALID for a tracker that is no URL
   */
  static async open(
    components: ExchangeComponents,
    init: Partial<ExchangeInit>,
  ): Promise<Exchange> {
    const whole = { ...defaultExchangeInit, ...init };
    if (whole.seal === undefined && !whole.open) {
      throw new ConfigError(
        'CONFIG_MISSING',
        'say who belongs to the fleet, for a sealed swarm, or that it is open to anybody',
      );
    }
    whole.trackers.forEach(checkTrackerUrl);
    const exchange = new Exchange(components, whole);
    try {
      await components.store.open();
      await exchange.#listen();
    } catch (error) {
      await exchange[Symbol.asyncDispose]();
      throw error;
    }
    exchange.#timer = setInterval(() => {
      exchange.#tick();
    }, tickMs);
    return exchange;
  }

  async #listen(): Promise<void> {
    const { host, port, openPort, seal, open } = this.#init;
    if (seal !== undefined) {
      this.#followMembers(seal);
      seal.onRenewal = (tls) => {
        this.#lanes.postAll({ type: 'tls', tls });
      };
      this.#ports.set('sealed', await this.#lanes.listen({ transport: 'sealed', host, port }));
    }
    if (open) {
      const own = seal === undefined ? port : openPort;
      this.#ports.set('plain', await this.#lanes.listen({ transport: 'plain', host, port: own }));
    }
  }

  #followMembers(seal: ExchangeSeal): void {
    const { fleet } = seal;
    if (fleet === undefined) {
      this.setMembers(seal.members);
      seal.onChange = (members) => {
        this.setMembers(members);
      };
      return;
    }
    const follow = () => {
      this.#members.tellFleet();
      this.#onMembers();
    };
    follow();
    fleet.onChange = follow;
  }

  /** How this host connects to others. There is no way from sealed to plain. */
  get #transport(): Transport {
    return this.#init.seal === undefined ? 'plain' : 'sealed';
  }

  /** The port of the sealed listener, or, without one, of the plain one. */
  get port(): number {
    return this.#ports.get(this.#transport) ?? 0;
  }

  /** The port for ordinary clients, if there is one. */
  get openPort(): number | undefined {
    return this.#ports.get('plain');
  }

  /** Changes who belongs: who does not any more is cut off at once. */
  setMembers(members: ReadonlySet<string>): void {
    this.#members.setNames(members);
    this.#onMembers();
  }

  #onMembers(): void {
    for (const peer of this.#peers.values()) this.#cutOffIfOut(peer);
    const outcast = this.#members.outcast();
    if (outcast !== undefined) this.#init.onWarning?.('no host may speak with this one', outcast);
  }

  /** @returns whether the peer does not belong any more */
  #cutOffIfOut(peer: Peer): boolean {
    const error = peer.identity === undefined ? undefined : this.#members.whyEnd(peer.identity);
    if (error === undefined) return false;
    this.#init.onWarning?.('a peer was cut off', error);
    peer.close(error);
    return true;
  }

  /** The limits of all swarms together, as of now. */
  get limits(): RateLimits {
    return {
      uploadBytesPerSecond: this.#lanes.uploadRate.bytesPerSecond,
      downloadBytesPerSecond: this.#lanes.downloadRate.bytesPerSecond,
    };
  }

  /** Changes the limits while running. */
  setLimits(change: LimitChange<RateLimits>): void {
    const { uploadBytesPerSecond: up, downloadBytesPerSecond: down } = change;
    if (up !== undefined) this.#lanes.uploadRate.bytesPerSecond = up;
    if (down !== undefined) this.#lanes.downloadRate.bytesPerSecond = down;
    this.#lanes.postAll({ type: 'limitsChanged' });
  }

  /**
   * Limits and priority of one swarm, as of now.
   * @throws ConfigError CONFIG_INVALID when this host has no such image
   */
  swarmLimits(imageId: string): SwarmLimits {
    return this.#membershipOf(imageId).data.limits;
  }

  /**
   * Changes limits and priority of one swarm while it runs.
   * @throws ConfigError CONFIG_INVALID when this host has no such image
   */
  setSwarmLimits(imageId: string, change: LimitChange<SwarmLimits>): void {
    this.#membershipOf(imageId).data.setLimits(change);
    if (change.priority !== undefined) this.#shareOut();
  }

  #membershipOf(imageId: string): Membership {
    const membership = this.#memberships.get(imageId);
    if (membership !== undefined) return membership;
    throw new ConfigError('CONFIG_INVALID', `the image ${imageId} is in no swarm of this host`);
  }

  /** The swarms that fetch share by weight; while none of higher priority does, none stands back. */
  #shareOut(): void {
    const fetching = [...this.#memberships.values()].filter(({ swarm }) => !swarm.isWhole);
    const most = Math.max(0, ...fetching.map(({ data }) => data.weight));
    for (const { data } of this.#memberships.values()) {
      data.setShare(most === 0 ? 1 : Math.min(1, data.weight / most));
    }
  }

  /** Serves an image of the store. Where it is served already, its apps become more. */
  seed(stored: StoredImage, { apps = [] }: AppsInit = {}): Swarm {
    return this.#known(stored.imageId, apps) ?? this.#join(stored.imageId, { stored }, apps);
  }

  /**
   * Fetches an image into the store, and then serves it. `swarm.completed` tells when it is whole. Where
   * that is done already, its apps become more.
   */
  fetch(imageId: string, { apps = [], ...init }: FetchInit = {}): Swarm {
    return this.#known(imageId, apps) ?? this.#join(imageId, init, apps);
  }

  /** Notes that an image which this host has is of these apps too. */
  addApps(imageId: string, apps: readonly string[]): void {
    const known = this.#memberships.get(imageId);
    for (const app of apps) known?.apps.add(app);
  }

  #known(imageId: string, apps: readonly string[]): Swarm | undefined {
    this.addApps(imageId, apps);
    return this.#memberships.get(imageId)?.swarm;
  }

  /** Serves an image of the store also to clients that speak BitTorrent v1 only, where it is open. */
  seedV1(stored: StoredImage, torrent: V1Torrent): void {
    const key = torrent.layout.infoHash.toString('hex');
    const port = this.openPort;
    if (port === undefined || this.#v1Seeds.has(key)) return;
    const data = new SwarmData({ lanes: this.#lanes }, { key: this.#nextKey++ });
    const { now } = this.#components;
    const components = { data, now, listenPort: () => port };
    const seed = new V1Seed(components, { torrent, tree: stored.tree });
    this.#v1Seeds.set(key, { seed, announcer: this.#announceV1(seed, port) });
  }

  #announceV1(seed: V1Seed, port: number): Announcer {
    return new Announcer(this.#components, {
      trackers: this.#init.trackers,
      describe: () => ({
        infoHash: seed.infoHash,
        peerId: this.peerId,
        port,
        sealed: false,
        uploadedBytes: seed.sentBytes,
        downloadedBytes: 0,
        leftBytes: 0,
        wanted: 0,
      }),
      isStarving: () => false,
      onEndpoints: () => undefined,
      onError: this.#onAnnounceError,
    });
  }

  readonly #onAnnounceError = (error: unknown): void => {
    this.#init.onWarning?.('announcing failed; it is tried again', error);
  };

  swarm(imageId: string): Swarm | undefined {
    return this.#memberships.get(imageId)?.swarm;
  }

  status(): SwarmStatus[] {
    return [...this.#memberships.values()].map(({ swarm }) => swarm.status());
  }

  /** Leaves a swarm; what was fetched stays on disk. */
  async leave(imageId: string): Promise<void> {
    const membership = this.#memberships.get(imageId);
    if (membership === undefined) return;
    this.#memberships.delete(imageId);
    await membership.swarm[Symbol.asyncDispose]();
    this.#byKey.delete(membership.data.key);
    await membership.announcing[Symbol.asyncDispose]();
    this.#shareOut();
  }

  /** Connects to a peer of which something else than a tracker told. */
  addEndpoint(imageId: string, endpoint: Endpoint): void {
    const membership = this.#memberships.get(imageId);
    membership?.dials.add([endpoint]);
    if (membership !== undefined) this.#dialMore(membership);
  }

  #join(imageId: string, init: Omit<SwarmInit, 'imageId'>, ofApps: readonly string[]): Swarm {
    const { store, durability, random, now } = this.#components;
    const listenPort = () => this.port;
    const apps = new Set(ofApps);
    const whyAlone = () => this.#members.whyAlone([...apps]);
    const data = new SwarmData({ lanes: this.#lanes }, { key: this.#nextKey++ });
    const budget = this.#budget;
    const dials = new DialBook({ now });
    const webSeeds = init.stored === undefined ? this.#webSeedsOf(imageId, dials) : undefined;
    const swarm = new Swarm(
      {
        ...{ store, durability, random, now, listenPort, whyAlone, data, budget, webSeeds },
        place: this.#init.place,
      },
      { imageId, ...init },
    );
    const membership: Membership = {
      swarm,
      data,
      dials,
      apps,
      announcing: new SwarmAnnouncing(
        { swarm, random, now, sessions: this.#sessions },
        {
          peerId: this.peerId,
          transport: this.#transport,
          ports: this.#ports,
          origin: webSeeds?.permit,
          onTies: (ties) => {
            this.#tie(membership, ties);
          },
          onEndpoints: (endpoints, hash) => {
            dials.add(endpoints, hash);
            this.#dialMore(membership);
          },
          onError: this.#onAnnounceError,
        },
      ),
    };
    this.#memberships.set(imageId, membership);
    this.#byKey.set(data.key, membership);
    this.#shareOut();
    swarm.onChange = () => {
      membership.announcing.announceV1Hashes();
      this.#init.onChange?.(swarm.status());
    };
    swarm.completed.then(
      () => {
        this.#shareOut();
        if (init.stored === undefined) membership.announcing.announceCompleted();
      },
      () => undefined,
    );
    return swarm;
  }

  #webSeedsOf(imageId: string, dials: DialBook): WebSeeds | undefined {
    const { webSeeds, trackers, originBudget, onWarning } = this.#init;
    if (webSeeds.length === 0) return undefined;
    const { now } = this.#components;
    return new WebSeeds(
      {
        now,
        pace: this.#originPace,
        open: ({ url, name }) => {
          const { link, lane } = this.#lanes.openWebSeed(url);
          const onClosed = () => this.#peers.delete(link);
          const peer = new WebPeer({ lane, now }, { link, name, onClosed });
          this.#peers.set(link, peer);
          return peer;
        },
        onWarning: (message, error) => onWarning?.(message, error),
      },
      {
        urls: webSeeds.map((template) => webSeedFolder(template, imageId)),
        hasTracker: trackers.length > 0,
        budget: originBudget,
        hasOtherSources: () => trackers.length > 0 || !dials.isEmpty,
        onHurry: () => {
          this.#memberships.get(imageId)?.announcing.hurryOrigin();
        },
      },
    );
  }

  #tick(): void {
    for (const membership of this.#memberships.values()) {
      membership.swarm.tick();
      this.#dialMore(membership);
    }
    for (const { seed } of this.#v1Seeds.values()) seed.tick();
  }

  /**
   * A tracker of ours says whom to be connected to. Connections to others of the fleet are ended when
   * nothing is on its way: too many at a time, and each piece takes long to be whole. A tracker that
   * has just started knows few hosts yet, and is not a reason to leave the others.
   */
  #tie(membership: Membership, { endpoints, slots }: SwarmTies): void {
    const { swarm, dials } = membership;
    swarm.setSlots(slots);
    // Two that have everything have nothing to say to each other.
    dials.setTies(endpoints.filter(({ isWhole }) => !isWhole || !swarm.isWhole));
    if (endpoints.length < fewestTies) return this.#dialMore(membership);
    const ties = new Set(endpoints.map(addressText));
    for (const peer of swarm.peers) {
      if (!peer.outgoing || peer.extension?.place === undefined) continue;
      if (!ties.has(peer.address) && swarm.isIdle(peer)) peer.close();
    }
    this.#dialMore(membership);
  }

  /** Who has an image whole waits to be asked, but for those that it is tied to. */
  #dialMore(membership: Membership): void {
    const { swarm, dials } = membership;
    const connected = new Set([...swarm.peers].map((peer) => peer.listenAddress));
    const isConnected = (endpoint: Endpoint) => connected.has(addressText(endpoint));
    while (
      !this.#closed &&
      (!swarm.isWhole || dials.hasTies) &&
      swarm.state !== 'failed' &&
      swarm.peers.size + dials.dialing < wantedPeers &&
      this.#peers.size < this.#init.maxConnections
    ) {
      const endpoint = dials.next(isConnected);
      if (endpoint === undefined) return;
      this.#dial(membership, endpoint);
    }
  }

  /** There is no v1 inside a fleet. */
  #hashesFor(swarm: Swarm): Buffer[] {
    return this.#transport === 'sealed' ? swarm.wireHashes.slice(0, 1) : swarm.wireHashes;
  }

  #dial(membership: Membership, endpoint: Endpoint): void {
    const { swarm, dials } = membership;
    const infoHash = dials.hashFor(endpoint, this.#hashesFor(swarm)) ?? swarm.infoHash;
    const { link, lane } = this.#lanes.dial(endpoint, {
      transport: this.#transport,
      handshake: Uint8Array.from(encodeHandshake({ infoHash, peerId: this.peerId })),
      apps: [...membership.apps],
    });
    const init = { link, address: addressText(endpoint), outgoing: true };
    const shown = this.#members.ownClaims;
    const peer = this.#take(lane, init, (handshake) => {
      dials.succeeded(endpoint);
      this.#welcome(peer, handshake, swarm, () => {
        dials.forgo(endpoint);
      });
    });
    peer.onEnd = (error) => {
      if (peer.handshake === undefined) {
        swarm.onUnreached(whyUnanswered(peer.address, error, this.#init.seal?.peerId));
      }
      if (swarm.isBanned(peer.id)) dials.forgo(endpoint);
      else if (peer.handshake === undefined && !neverOpened(error)) {
        dials.unanswered(endpoint, this.#hashesFor(swarm));
        this.#dialMoreIfIn(membership);
      } else if (this.#members.hasExpired(peer.claims, shown)) {
        // A credential that was renewed is shown by a new connection alone.
        dials.ended(endpoint, { again: true });
        this.#dialMoreIfIn(membership);
      } else dials.ended(endpoint);
    };
  }

  /** The swarm may have been left meanwhile. */
  #dialMoreIfIn(membership: Membership): void {
    const { imageId } = membership.swarm;
    if (this.#memberships.get(imageId) === membership) this.#dialMore(membership);
  }

  #accept(event: Extract<DataEvent, { type: 'accepted' }>, lane: DataLane): void {
    const { link, address } = event;
    const peer = this.#take(lane, { link, address, outgoing: false }, (handshake) => {
      const v1 = this.#v1Seeds.get(handshake.infoHash.toString('hex'));
      if (v1 !== undefined && event.transport === 'plain') {
        peer.sendHandshake(v1.seed.infoHash, this.peerId);
        v1.seed.addPeer(peer);
        return;
      }
      const swarm = this.#swarmFor(peer, handshake);
      if (swarm === undefined) {
        peer.close(new PeerError('PEER_PROTOCOL', `${address} asks for an image that is not here`));
        return;
      }
      peer.sendHandshake(answeredHash(swarm, handshake), this.peerId);
      this.#welcome(peer, handshake, swarm, () => undefined);
    });
    if (this.#closed || this.#peers.size > this.#init.maxConnections) peer.close();
  }

  #take(
    lane: DataLane,
    init: { link: number; address: string; outgoing: boolean },
    onHandshake: (handshake: Handshake) => void,
  ): Peer {
    const timer = setTimeout(() => {
      peer.close(new PeerError('PEER_TIMEOUT', `${init.address} sent no handshake`));
    }, handshakeTimeoutMs);
    const peer: Peer = new Peer(
      { lane, now: this.#components.now },
      {
        ...init,
        onHandshake: (_, handshake) => {
          clearTimeout(timer);
          // Taken out after it was sealed, and before it said anything.
          if (!this.#cutOffIfOut(peer)) onHandshake(handshake);
        },
        onClosed: () => {
          clearTimeout(timer);
          this.#peers.delete(init.link);
          this.#leaving.set(init.link, peer);
        },
      },
    );
    this.#peers.set(init.link, peer);
    return peer;
  }

  #onEvent(event: DataEvent): void {
    switch (event.type) {
      case 'verified':
        this.#peers.get(event.link)?.onEvent(event);
        this.#byKey.get(event.image)?.swarm.onVerified(event.pieces, event.link);
        return;
      case 'unwritten':
        this.#byKey.get(event.image)?.swarm.onUnwritten(event);
        return;
      case 'closed':
        this.#peers.get(event.link)?.onEvent(event);
        this.#leaving.get(event.link)?.settle(event.tally);
        this.#leaving.delete(event.link);
        return;
      case 'warning':
        this.#init.onWarning?.(event.message, new Error(event.failure.message));
        return;
      default:
        if ('link' in event) this.#peers.get(event.link)?.onEvent(event);
    }
  }

  /** A thread that dies takes its connections with it, and this host can't go on as it was. */
  #onDeath(error: Error, lane: DataLane): void {
    this.#init.onWarning?.('a data thread has died', error);
    for (const peer of this.#peers.values()) if (peer.isIn(lane)) peer.close(error);
    for (const { swarm } of this.#memberships.values()) swarm.fail(error);
  }

  /** An image that the peer may not have is as unknown as one that is not here. */
  #swarmFor(peer: Peer, { infoHash }: Handshake): Swarm | undefined {
    for (const { swarm, apps } of this.#memberships.values()) {
      if (!swarm.wireHashes.some((hash) => hash.equals(infoHash))) continue;
      return this.#members.mayHave(peer.claims, [...apps]) ? swarm : undefined;
    }
    return undefined;
  }

  /** Takes a peer into its swarm, unless it is ourselves, banned, or connected already. */
  #welcome(peer: Peer, handshake: Handshake, swarm: Swarm, forgo: () => void): void {
    const expected = this.#hashesFor(swarm).some((hash) => hash.equals(handshake.infoHash));
    if (peer.outgoing && !expected) {
      peer.close(new PeerError('PEER_PROTOCOL', `${peer.address} answered for another image`));
      return;
    }
    if (this.#memberships.get(swarm.imageId)?.swarm !== swarm) {
      // Left while the connection was being opened.
      peer.close();
      return;
    }
    if (handshake.peerId.equals(this.peerId) || swarm.isBanned(peer.id)) {
      forgo();
      peer.close();
      return;
    }
    const twin = [...swarm.peers].find((other) => other.id === peer.id);
    if (twin !== undefined && this.#keeps(twin, peer)) {
      peer.close();
      return;
    }
    twin?.close();
    swarm.addPeer(peer);
  }

  /** Of two connections with one peer both sides keep the one that the smaller id opened. */
  #keeps(twin: Peer, newer: Peer): boolean {
    if (twin.outgoing === newer.outgoing) return true;
    const theirs = newer.handshake?.peerId.toString('hex') ?? '';
    const weAreSmaller = this.peerId.toString('hex') < theirs;
    return twin.outgoing === weAreSmaller;
  }

  /** Leaves all swarms, closes all connections and the listeners, ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    await Promise.all([...this.#memberships.keys()].map((imageId) => this.leave(imageId)));
    for (const { seed, announcer } of this.#v1Seeds.values()) {
      await seed[Symbol.asyncDispose]();
      await announcer[Symbol.asyncDispose]();
    }
    for (const session of this.#sessions.values()) await session[Symbol.asyncDispose]();
    for (const peer of [...this.#peers.values()]) peer.close();
    await this.#lanes.end();
  }
}

function checkTrackerUrl(url: string): void {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return;
  throw new ConfigError('CONFIG_INVALID', `"${url}" is not the http or https URL of a tracker`);
}

/** BEP 52, 'Upgrade Path': who knows v2 is answered with the v2 hash. */
function answeredHash(swarm: Swarm, handshake: Handshake): Buffer {
  const v2 = swarm.infoHash.subarray(0, 20);
  if (swarm.v1?.infoHash.equals(handshake.infoHash) === true) return handshake.infoHash;
  return handshake.v2 || handshake.infoHash.equals(v2) ? v2 : handshake.infoHash;
}

/** Nobody was reached, who could have known the image under another hash. */
const neverOpened = (error: Error | undefined): boolean =>
  isStarlingError(error) &&
  typeof error.evidence.code === 'string' &&
  error.evidence.code !== 'PEER_CLOSED';

const addressText = ({ host, port }: Endpoint): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
