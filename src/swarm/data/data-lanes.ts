import type { PeerTlsOptions } from '../../trust/sealed.ts';
import { LocalLane, ThreadLane, type DataLane } from './data-lane.ts';
import type { DataCommand, DataEvent, Transport } from './data-protocol.ts';
import { inUse, PortClaim } from './port-claim.ts';
import { SharedRate } from './shared-rate.ts';

export interface ListenerInit {
  readonly transport: Transport;
  readonly host: string;
  /** 0: the system gives one. */
  readonly port: number;
}

export interface DataLanesInit {
  /** How many threads carry data; 0: that of the caller does. */
  readonly threads: number;
  readonly maxConnections: number;
  /** What is kept in memory of what was read for peers, in all threads together. */
  readonly cacheBytes: number;
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly tls: PeerTlsOptions | undefined;
}

export interface DataLanesEvents {
  onAccepted(event: Extract<DataEvent, { type: 'accepted' }>, lane: DataLane): void;
  /** Something about a connection, or an image. */
  onEvent(event: DataEvent, lane: DataLane): void;
  onDeath(error: Error, lane: DataLane): void;
}

/** Links of peers that connect are counted down from here, for each lane from another place. */
const linksPerLane = 1e12;

/** The data planes of a host, and what they have in common: listeners, limits, members. */
export class DataLanes {
  readonly lanes: readonly DataLane[];
  readonly uploadRate: SharedRate;
  readonly downloadRate: SharedRate;
  readonly #events: DataLanesEvents;
  readonly #listening = new Map<DataLane, (event: DataEvent) => void>();
  /** Images that are being closed, and the lanes that have not done so yet. */
  readonly #closing = new Map<number, { lanes: Set<DataLane>; done: () => void }>();
  readonly #dead = new Set<DataLane>();
  readonly #claims: PortClaim[] = [];
  #nextLink = 1;

  constructor(events: DataLanesEvents, init: DataLanesInit) {
    this.#events = events;
    const uploadRate = SharedRate.create(init.uploadBytesPerSecond);
    const downloadRate = SharedRate.create(init.downloadBytesPerSecond);
    this.uploadRate = new SharedRate(uploadRate);
    this.downloadRate = new SharedRate(downloadRate);
    const count = Math.max(1, init.threads);
    this.lanes = Array.from({ length: count }, (_, index) => {
      const holder: { lane?: DataLane } = {};
      const laneEvents = {
        onEvent: (event: DataEvent) => {
          if (holder.lane !== undefined) this.#onEvent(event, holder.lane);
        },
        onDeath: (error: Error) => {
          if (holder.lane !== undefined) this.#onDeath(error, holder.lane);
        },
      };
      const { maxConnections, tls } = init;
      const firstAcceptedLink = -1 - index * linksPerLane;
      const cacheBytes = Math.floor(init.cacheBytes / count);
      const plane = {
        maxConnections,
        firstAcceptedLink,
        cacheBytes,
        uploadRate,
        downloadRate,
        tls,
      };
      holder.lane =
        init.threads === 0 ? new LocalLane(laneEvents, plane) : new ThreadLane(laneEvents, plane);
      return holder.lane;
    });
  }

  #onEvent(event: DataEvent, lane: DataLane): void {
    switch (event.type) {
      case 'listening':
      case 'listenFailed':
        this.#listening.get(lane)?.(event);
        return;
      case 'accepted':
        lane.links += 1;
        this.#events.onAccepted(event, lane);
        return;
      case 'closed':
        lane.links -= 1;
        this.#events.onEvent(event, lane);
        return;
      case 'imageClosed': {
        this.#closed(event.image, lane);
        return;
      }
      case 'ended':
        return;
      default:
        this.#events.onEvent(event, lane);
    }
  }

  #closed(image: number, lane: DataLane): void {
    const closing = this.#closing.get(image);
    if (closing?.lanes.delete(lane) === true && closing.lanes.size === 0) closing.done();
  }

  /** Nobody waits for it any more. */
  #onDeath(error: Error, lane: DataLane): void {
    this.#dead.add(lane);
    this.#listening.get(lane)?.({ type: 'listenFailed', message: error.message });
    for (const image of [...this.#closing.keys()]) this.#closed(image, lane);
    this.#events.onDeath(error, lane);
  }

  get #alive(): DataLane[] {
    return this.lanes.filter((lane) => !this.#dead.has(lane));
  }

  /**
   * Listens in every lane at the same port; the system spreads the connections over them.
   * @returns the port
   * @throws ConfigError CONFIG_IN_USE when the address can't be listened on
   */
  async listen(init: ListenerInit): Promise<number> {
    const claim = await PortClaim.take(init);
    this.#claims.push(claim);
    const { port } = claim;
    for (const lane of this.#alive) {
      const listening = new Promise<DataEvent>((resolve) => this.#listening.set(lane, resolve));
      lane.post({ type: 'listen', ...init, port });
      const event = await listening;
      if (event.type === 'listenFailed') throw inUse(init.host, port, event.message);
    }
    return port;
  }

  /** Begins to connect. @returns the number of the link, and the lane that has it */
  dial(
    endpoint: { host: string; port: number },
    init: { transport: Transport; handshake: Uint8Array; apps: readonly string[] },
  ): { link: number; lane: DataLane } {
    const { link, lane } = this.#newLink();
    lane.post({ type: 'dial', link, ...endpoint, ...init });
    return { link, lane };
  }

  /** Makes a web seed a link like those of peers; it connects when it is asked for something. */
  openWebSeed(url: string): { link: number; lane: DataLane } {
    const { link, lane } = this.#newLink();
    lane.post({ type: 'openWebSeed', link, url });
    return { link, lane };
  }

  #newLink(): { link: number; lane: DataLane } {
    const lane = [...this.#alive, ...this.#dead].reduce((a, b) =>
      b.links < a.links && !this.#dead.has(b) ? b : a,
    );
    lane.links += 1;
    return { link: this.#nextLink++, lane };
  }

  postAll(command: DataCommand): void {
    for (const lane of this.lanes) lane.post(command);
  }

  /** Closes the connections and files of an image; returns when nothing of it is being written. */
  async closeImage(image: number): Promise<void> {
    const lanes = new Set(this.#alive);
    if (lanes.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closing.set(image, { lanes, done: resolve });
    this.postAll({ type: 'closeImage', image });
    await promise;
    this.#closing.delete(image);
  }

  async end(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.end()));
    await Promise.all(this.#claims.map((claim) => claim[Symbol.asyncDispose]()));
  }
}
