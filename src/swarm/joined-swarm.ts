import type { Connections } from './connections.ts';
import type { DataLanes } from './data/data-lanes.ts';
import { DialBook } from './dial-book.ts';
import { Dialer } from './dialer.ts';
import type { ExchangeComponents, ExchangeInit } from './exchange-init.ts';
import type { Listeners } from './listeners.ts';
import type { PieceBudget } from './piece-budget.ts';
import type { SealedMembers } from './sealed-members.ts';
import { Swarm, type SwarmInit } from './swarm.ts';
import { SwarmAnnouncing } from './swarm-announcing.ts';
import { SwarmData } from './swarm-data.ts';
import type { TrackerSession } from './tracker-session.ts';
import { webSeedFolder } from './web-seed-url.ts';
import type { OriginPace } from './web-rates.ts';
import { WebSeeds } from './web-seeds.ts';
import { Welcome } from './welcome.ts';

/** What the swarms of a host have in common. */
export interface JoinedSwarmComponents extends ExchangeComponents {
  readonly lanes: DataLanes;
  readonly connections: Connections;
  readonly members: SealedMembers;
  readonly listeners: Listeners;
  readonly budget: PieceBudget;
  /** One for each tracker, by its URL. */
  readonly sessions: ReadonlyMap<string, TrackerSession>;
  readonly originPace: OriginPace;
}

export interface JoinedSwarmInit {
  readonly exchange: ExchangeInit;
  /** What this host calls itself in handshakes, 20 bytes. */
  readonly peerId: Buffer;
  /** The number of the image in the data planes. */
  readonly key: number;
  readonly swarm: SwarmInit;
  readonly apps: readonly string[];
  readonly onAnnounceError: (error: unknown) => void;
}

/** One swarm that this host is in, with what finds its peers: announces, connections, web seeds. */
export class JoinedSwarm implements AsyncDisposable {
  readonly swarm: Swarm;
  readonly data: SwarmData;
  /** The apps under which this host has the image. */
  readonly apps: Set<string>;
  readonly welcome: Welcome;
  readonly dialer: Dialer;
  readonly #components: JoinedSwarmComponents;
  readonly #init: JoinedSwarmInit;
  readonly #dials: DialBook;
  readonly #announcing: SwarmAnnouncing;

  constructor(components: JoinedSwarmComponents, init: JoinedSwarmInit) {
    const { store, durability, random, now, budget, lanes, members, listeners } = components;
    const { peerId, exchange } = init;
    this.#components = components;
    this.#init = init;
    this.apps = new Set(init.apps);
    this.data = new SwarmData(components, init);
    this.#dials = new DialBook(components);
    const webSeeds = init.swarm.stored === undefined ? this.#makeWebSeeds() : undefined;
    this.swarm = new Swarm(
      {
        ...{ store, durability, random, now, budget },
        data: this.data,
        place: exchange.place,
        listenPort: () => listeners.port,
        whyAlone: () => members.whyAlone([...this.apps]),
        webSeeds,
      },
      init.swarm,
    );
    const { swarm } = this;
    const dials = this.#dials;
    const hashes = () => this.#hashes;
    const { transport } = listeners;
    this.welcome = new Welcome({ swarm }, { peerId, hashes });
    this.dialer = new Dialer(
      { swarm, dials, lanes, connections: components.connections, members, welcome: this.welcome },
      { peerId, identity: exchange.seal?.peerId, transport, hashes, apps: this.apps },
    );
    this.#announcing = this.#makeAnnouncing(webSeeds);
    this.#follow();
  }

  /** The hashes by which this host asks for the image. There is no v1 inside a fleet. */
  get #hashes(): Buffer[] {
    const { all } = this.swarm.hashes;
    return this.#components.listeners.transport === 'sealed' ? all.slice(0, 1) : all;
  }

  #makeAnnouncing(webSeeds: WebSeeds | undefined): SwarmAnnouncing {
    const { random, now, sessions, listeners } = this.#components;
    const { peerId, onAnnounceError } = this.#init;
    return new SwarmAnnouncing(
      { swarm: this.swarm, random, now, sessions },
      {
        peerId,
        transport: listeners.transport,
        ports: listeners.ports,
        origin: webSeeds?.permit,
        missing: () => this.dialer.missing,
        onTies: (ties) => {
          this.swarm.setSlots(ties.slots);
          this.dialer.tie(ties);
        },
        onEndpoints: (endpoints, hash) => {
          this.dialer.add(endpoints, hash);
        },
        onError: onAnnounceError,
      },
    );
  }

  #makeWebSeeds(): WebSeeds | undefined {
    const { now, lanes, connections, originPace } = this.#components;
    const { swarm, exchange } = this.#init;
    const { webSeeds, trackers, originBudget, onWarning } = exchange;
    if (webSeeds.length === 0) return undefined;
    const hasTracker = trackers.length > 0;
    return new WebSeeds(
      {
        now,
        pace: originPace,
        open: ({ url, name }) => connections.takeWebSeed(lanes.openWebSeed(url), name),
        onWarning: (message, error) => onWarning?.(message, error),
      },
      {
        urls: webSeeds.map((template) => webSeedFolder(template, swarm.imageId)),
        hasTracker,
        budget: originBudget,
        hasOtherSources: () => hasTracker || !this.#dials.isEmpty,
        onHurry: () => {
          this.#announcing.hurry();
        },
      },
    );
  }

  /** Tells others what becomes of the swarm. */
  #follow(): void {
    const { swarm } = this;
    const { exchange, swarm: init } = this.#init;
    swarm.onChange = () => {
      this.#announcing.announceV1Hashes();
      exchange.onChange?.(swarm.status());
    };
    if (init.stored !== undefined) return;
    swarm.completed.then(
      () => {
        this.#announcing.announceCompleted();
      },
      () => undefined,
    );
  }

  /** Called about once a second. */
  tick(): void {
    this.swarm.tick();
    this.dialer.dialMore();
    if (this.dialer.takeLoss()) this.#announcing.hurry();
  }

  /** Leaves; what was fetched stays on disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dialer.close();
    await this.swarm[Symbol.asyncDispose]();
    await this.#announcing[Symbol.asyncDispose]();
  }
}
