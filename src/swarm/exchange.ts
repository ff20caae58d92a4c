import type { StoredImage, V1Torrent } from '../image/index.ts';
import { Acceptor } from './acceptor.ts';
import type { Endpoint } from './announce.ts';
import { Connections } from './connections.ts';
import type { DataLane } from './data/data-lane.ts';
import { DataLanes } from './data/data-lanes.ts';
import type { DataEvent } from './data/data-protocol.ts';
import {
  completeExchangeInit,
  type AppsInit,
  type ExchangeComponents,
  type ExchangeInit,
  type ExchangeSeal,
  type FetchInit,
} from './exchange-init.ts';
import { makePeerId } from './handshake.ts';
import { JoinedSwarm, type JoinedSwarmComponents } from './joined-swarm.ts';
import { JoinedSwarms } from './joined-swarms.ts';
import { Listeners } from './listeners.ts';
import { PieceBudget } from './piece-budget.ts';
import { SealedMembers } from './sealed-members.ts';
import type { Swarm, SwarmInit } from './swarm.ts';
import type { LimitChange, RateLimits, SwarmLimits } from './swarm-data.ts';
import type { SwarmStatus } from './swarm-status.ts';
import { TrackerSession } from './tracker-session.ts';
import { V1Seeds } from './v1-seeds.ts';

const tickMs = 1_000;
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
  readonly #listeners: Listeners;
  readonly #members: SealedMembers;
  readonly #connections: Connections;
  readonly #sessions: ReadonlyMap<string, TrackerSession>;
  readonly #swarms = new JoinedSwarms();
  readonly #v1Seeds: V1Seeds;
  readonly #acceptor: Acceptor;
  /** What all swarms have in common. */
  readonly #shared: JoinedSwarmComponents;
  #nextKey = 1;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    this.#init = init;
    const { seal, trackers, maxConnections, onWarning } = init;
    const { now, random } = components;
    this.peerId = makePeerId(random);
    this.#lanes = this.#makeLanes();
    const lanes = this.#lanes;
    this.#listeners = new Listeners({ lanes }, init);
    this.#members = new SealedMembers({ lanes }, { peerId: seal?.peerId, fleet: seal?.fleet });
    const members = this.#members;
    this.#connections = new Connections({ now, members }, { maxConnections, onWarning });
    this.#sessions = new Map(trackers.map((url) => [url, this.#openSession(url)]));
    this.#v1Seeds = new V1Seeds(
      { lanes, random, now },
      { peerId: this.peerId, trackers, onAnnounceError: this.#onAnnounceError },
    );
    this.#acceptor = new Acceptor(
      { connections: this.#connections, swarms: this.#swarms, v1Seeds: this.#v1Seeds, members },
      this,
    );
    this.#shared = {
      ...components,
      lanes,
      members,
      connections: this.#connections,
      listeners: this.#listeners,
      sessions: this.#sessions,
      budget: new PieceBudget({ limitBytes: budgetBytes }),
      originPace: { bytesPerSecond: 0 },
    };
  }

  #makeLanes(): DataLanes {
    return new DataLanes(
      {
        onAccepted: (event, lane) => {
          this.#acceptor.accept(event, lane);
        },
        onEvent: (event) => {
          this.#onEvent(event);
        },
        onDeath: (error, lane) => {
          this.#onDeath(error, lane);
        },
      },
      { ...this.#init, cacheBytes, tls: this.#init.seal?.tls },
    );
  }

  #openSession(url: string): TrackerSession {
    return new TrackerSession(this.#components, {
      url,
      authorities: this.#init.trackerAuthorities,
      describeHost: () => ({
        peerId: this.peerId.toString('hex'),
        port: this.port,
        sealed: this.#listeners.transport === 'sealed',
        host: this.#init.hostName,
        ...this.#init.place,
      }),
      onError: this.#onAnnounceError,
    });
  }

  readonly #onAnnounceError = (error: unknown): void => {
    this.#init.onWarning?.('announcing failed; it is tried again', error);
  };

  /**
   * Opens the listeners.
   * @throws ConfigError CONFIG_IN_USE when an address can't be listened on; CONFIG_MISSING when it is
   * neither said who belongs nor that anybody does; CONFIG_INVALID for a tracker that is no URL
   */
  static async open(
    components: ExchangeComponents,
    init: Partial<ExchangeInit>,
  ): Promise<Exchange> {
    const exchange = new Exchange(components, completeExchangeInit(init));
    try {
      await components.store.open();
      exchange.#followSeal();
      await exchange.#listeners.open();
    } catch (error) {
      await exchange[Symbol.asyncDispose]();
      throw error;
    }
    exchange.#timer = setInterval(() => {
      exchange.#tick();
    }, tickMs);
    return exchange;
  }

  #followSeal(): void {
    const { seal } = this.#init;
    if (seal === undefined) return;
    this.#followMembers(seal);
    seal.onRenewal = (tls) => {
      this.#lanes.postAll({ type: 'tls', tls });
    };
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

  /** The port of the sealed listener, or, without one, of the plain one. */
  get port(): number {
    return this.#listeners.port;
  }

  /** The port for ordinary clients, if there is one. */
  get openPort(): number | undefined {
    return this.#listeners.openPort;
  }

  /** Changes who belongs: who does not any more is cut off at once. */
  setMembers(members: ReadonlySet<string>): void {
    this.#members.setNames(members);
    this.#onMembers();
  }

  #onMembers(): void {
    this.#connections.cutOffOutcasts();
    const outcast = this.#members.outcast();
    if (outcast !== undefined) this.#init.onWarning?.('no host may speak with this one', outcast);
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
    return this.#swarms.require(imageId).data.limits;
  }

  /**
   * Changes limits and priority of one swarm while it runs.
   * @throws ConfigError CONFIG_INVALID when this host has no such image
   */
  setSwarmLimits(imageId: string, change: LimitChange<SwarmLimits>): void {
    this.#swarms.require(imageId).data.setLimits(change);
    if (change.priority !== undefined) this.#swarms.shareOut();
  }

  /** Serves an image of the store. Where it is served already, its apps become more. */
  seed(stored: StoredImage, { apps = [] }: AppsInit = {}): Swarm {
    return this.#join({ imageId: stored.imageId, stored }, apps);
  }

  /**
   * Fetches an image into the store, and then serves it. `swarm.completed` tells when it is whole. Where
   * that is done already, its apps become more.
   */
  fetch(imageId: string, { apps = [], ...init }: FetchInit = {}): Swarm {
    return this.#join({ imageId, ...init }, apps);
  }

  #join(init: SwarmInit, apps: readonly string[]): Swarm {
    const known = this.#swarms.get(init.imageId);
    if (known !== undefined) {
      this.addApps(init.imageId, apps);
      return known.swarm;
    }
    const joined = new JoinedSwarm(this.#shared, {
      exchange: this.#init,
      peerId: this.peerId,
      key: this.#nextKey++,
      swarm: init,
      apps,
      onAnnounceError: this.#onAnnounceError,
    });
    this.#swarms.add(joined);
    return joined.swarm;
  }

  /** Notes that an image which this host has is of these apps too. */
  addApps(imageId: string, apps: readonly string[]): void {
    const known = this.#swarms.get(imageId);
    for (const app of apps) known?.apps.add(app);
  }

  /** Serves an image of the store also to clients that speak BitTorrent v1 only, where it is open. */
  seedV1(stored: StoredImage, torrent: V1Torrent): void {
    const port = this.openPort;
    if (port !== undefined) this.#v1Seeds.add(stored, torrent, { key: this.#nextKey++, port });
  }

  swarm(imageId: string): Swarm | undefined {
    return this.#swarms.get(imageId)?.swarm;
  }

  status(): SwarmStatus[] {
    return [...this.#swarms].map(({ swarm }) => swarm.status());
  }

  /** Leaves a swarm; what was fetched stays on disk. */
  async leave(imageId: string): Promise<void> {
    await this.#swarms.leave(imageId);
  }

  /** Connects to a peer of which something else than a tracker told. */
  addEndpoint(imageId: string, endpoint: Endpoint): void {
    this.#swarms.get(imageId)?.dialer.add([endpoint]);
  }

  #tick(): void {
    for (const joined of this.#swarms) joined.tick();
    this.#v1Seeds.tick();
  }

  #onEvent(event: DataEvent): void {
    switch (event.type) {
      case 'verified':
        this.#connections.onEvent(event);
        this.#swarms.withKey(event.image)?.swarm.onVerified(event.pieces, event.link);
        return;
      case 'unwritten':
        this.#swarms.withKey(event.image)?.swarm.onUnwritten(event);
        return;
      case 'warning':
        this.#init.onWarning?.(event.message, new Error(event.failure.message));
        return;
      default:
        if ('link' in event) this.#connections.onEvent(event);
    }
  }

  /** A thread that dies takes its connections with it, and this host can't go on as it was. */
  #onDeath(error: Error, lane: DataLane): void {
    this.#init.onWarning?.('a data thread has died', error);
    this.#connections.dropAllOf(lane, error);
    for (const { swarm } of this.#swarms) swarm.fail(error);
  }

  /** Leaves all swarms, closes all connections and the listeners, ends the threads. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#connections.stop();
    await this.#swarms.leaveAll();
    await this.#v1Seeds[Symbol.asyncDispose]();
    for (const session of this.#sessions.values()) await session[Symbol.asyncDispose]();
    this.#connections.close();
    await this.#lanes.end();
  }
}
