import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { ConfigError, PeerError } from '../errors.ts';
import type { TreeDurability, ImageStore, StoredImage } from '../image/index.ts';
import type { Endpoint } from './announce.ts';
import { Announcer } from './announcer.ts';
import { DialBook } from './dial-book.ts';
import { FileIndex } from './file-index.ts';
import type { Handshake } from './handshake.ts';
import { Peer } from './peer.ts';
import { PieceCache } from './piece-cache.ts';
import { Swarm } from './swarm.ts';
import type { SwarmStatus } from './swarm-status.ts';
import { TokenBucket } from './token-bucket.ts';

export interface ExchangeComponents {
  readonly store: ImageStore;
  readonly durability: TreeDurability;
  /** A number from 0 to below 1; decides ties and the peer id. */
  readonly random: () => number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export interface ExchangeInit {
  readonly host: string;
  /** 0: the system gives one. */
  readonly port: number;
  readonly trackers: readonly string[];
  /** Limits of all swarms together; Infinity: none. */
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
  readonly maxConnections: number;
  readonly onWarning?: ((message: string, error: unknown) => void) | undefined;
  readonly onChange?: ((status: SwarmStatus) => void) | undefined;
}

export const defaultExchangeInit: ExchangeInit = {
  host: '0.0.0.0',
  port: 0,
  trackers: [],
  uploadBytesPerSecond: Infinity,
  downloadBytesPerSecond: Infinity,
  maxConnections: 200,
};

interface Membership {
  readonly swarm: Swarm;
  readonly announcer: Announcer;
  readonly dials: DialBook;
}

const handshakeTimeoutMs = 10_000;
const dialTimeoutMs = 5_000;
const tickMs = 1_000;
const wantedPeers = 50;
/** Pieces kept in memory for peers that ask for what others asked for. */
const cacheBytes = 32 << 20;

/**
 * The data plane of one host: its listener, its connections, its limits and its swarms. Connections
 * are plain TCP; the sealed transport will take their place.
 */
export class Exchange implements AsyncDisposable {
  readonly peerId: Buffer;
  readonly #components: ExchangeComponents;
  readonly #init: ExchangeInit;
  readonly #server: Server;
  readonly #uploadLimit: TokenBucket;
  readonly #downloadLimit: TokenBucket;
  readonly #memberships = new Map<string, Membership>();
  readonly #connections = new Set<Peer>();
  readonly #files: FileIndex;
  readonly #cache = new PieceCache({ limitBytes: cacheBytes });
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(components: ExchangeComponents, init: ExchangeInit) {
    this.#components = components;
    this.#init = init;
    const { now, random } = components;
    const prefix = Buffer.from('-SG0100-', 'latin1');
    const suffix = Buffer.from(Array.from({ length: 12 }, () => Math.floor(random() * 256)));
    this.peerId = Buffer.concat([prefix, suffix]);
    this.#uploadLimit = new TokenBucket({ now }, { rateBytesPerSecond: init.uploadBytesPerSecond });
    this.#downloadLimit = new TokenBucket(
      { now },
      { rateBytesPerSecond: init.downloadBytesPerSecond },
    );
    this.#files = new FileIndex(components.store);
    this.#server = createServer({ pauseOnConnect: false }, (socket) => {
      this.#accept(socket);
    });
  }

  /**
   * Opens the listener.
   * @throws ConfigError CONFIG_IN_USE when the address can't be listened on
   */
  static async open(
    components: ExchangeComponents,
    init: Partial<ExchangeInit>,
  ): Promise<Exchange> {
    const exchange = new Exchange(components, { ...defaultExchangeInit, ...init });
    await components.store.open();
    await exchange.#files.load();
    const { host, port } = exchange.#init;
    try {
      exchange.#server.listen({ host, port });
      await once(exchange.#server, 'listening');
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ConfigError('CONFIG_IN_USE', `can't listen on ${host}:${port}: ${why}`, { cause });
    }
    exchange.#server.on('error', (error) => {
      exchange.#init.onWarning?.('accepting a connection failed', error);
    });
    exchange.#timer = setInterval(() => {
      exchange.#tick();
    }, tickMs);
    return exchange;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Changes the limits while running. */
  setLimits(limits: { uploadBytesPerSecond?: number; downloadBytesPerSecond?: number }): void {
    if (limits.uploadBytesPerSecond !== undefined) {
      this.#uploadLimit.rateBytesPerSecond = limits.uploadBytesPerSecond;
    }
    if (limits.downloadBytesPerSecond !== undefined) {
      this.#downloadLimit.rateBytesPerSecond = limits.downloadBytesPerSecond;
    }
  }

  /** Serves an image of the store. */
  seed(stored: StoredImage): Swarm {
    const known = this.#memberships.get(stored.imageId);
    return known?.swarm ?? this.#join(stored.imageId, { stored });
  }

  /**
   * Fetches an image into the store, and then serves it. `swarm.completed` tells when it is whole.
   * @param init.infoBytes the size of the info dictionary, where it was signed
   */
  fetch(imageId: string, init: { infoBytes?: number | undefined } = {}): Swarm {
    const known = this.#memberships.get(imageId);
    return known?.swarm ?? this.#join(imageId, init);
  }

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
    this.#files.forget(imageId);
    await membership.swarm[Symbol.asyncDispose]();
    await membership.announcer[Symbol.asyncDispose]();
  }

  /** Connects to a peer of which something else than a tracker told. */
  addEndpoint(imageId: string, endpoint: Endpoint): void {
    const membership = this.#memberships.get(imageId);
    membership?.dials.add([endpoint]);
    if (membership !== undefined) this.#dialMore(membership);
  }

  #join(
    imageId: string,
    init: { infoBytes?: number | undefined; stored?: StoredImage | undefined },
  ): Swarm {
    const { store, durability, random, now } = this.#components;
    const findFiles = (root: string) => this.#files.find(root);
    const listenPort = () => this.port;
    const swarm = new Swarm(
      { store, durability, random, now, findFiles, listenPort, cache: this.#cache },
      { imageId, ...init },
    );
    const dials = new DialBook({ now });
    const membership: Membership = {
      swarm,
      dials,
      announcer: this.#announce(swarm, (endpoints) => {
        dials.add(endpoints);
        this.#dialMore(membership);
      }),
    };
    this.#memberships.set(imageId, membership);
    swarm.onChange = () => this.#init.onChange?.(swarm.status());
    swarm.completed.then(
      (stored) => {
        this.#files.add(stored);
        if (init.stored === undefined) membership.announcer.announceCompleted();
      },
      () => undefined,
    );
    return swarm;
  }

  #announce(swarm: Swarm, onEndpoints: (endpoints: readonly Endpoint[]) => void): Announcer {
    return new Announcer(this.#components, {
      trackers: this.#init.trackers,
      describe: () => {
        const status = swarm.status();
        return {
          infoHash: swarm.infoHash,
          peerId: this.peerId,
          port: this.port,
          uploadedBytes: status.sentBytes,
          downloadedBytes: status.receivedBytes,
          leftBytes: swarm.leftBytes,
          wanted: wantedPeers,
        };
      },
      isStarving: () => !swarm.isWhole && swarm.peers.size === 0,
      onEndpoints,
      onError: (error) => this.#init.onWarning?.('announcing failed; it is tried again', error),
    });
  }

  #tick(): void {
    for (const membership of this.#memberships.values()) {
      membership.swarm.tick();
      this.#dialMore(membership);
    }
  }

  /** Who has an image whole waits to be asked. */
  #dialMore({ swarm, dials }: Membership): void {
    const connected = new Set([...swarm.peers].map((peer) => peer.listenAddress));
    const isConnected = (endpoint: Endpoint) => connected.has(addressText(endpoint));
    while (
      !this.#closed &&
      !swarm.isWhole &&
      swarm.state !== 'failed' &&
      swarm.peers.size + dials.dialing < wantedPeers &&
      this.#connections.size < this.#init.maxConnections
    ) {
      const endpoint = dials.next(isConnected);
      if (endpoint === undefined) return;
      this.#dial(swarm, dials, endpoint);
    }
  }

  #dial(swarm: Swarm, dials: DialBook, endpoint: Endpoint): void {
    const socket = connect({ ...endpoint, timeout: dialTimeoutMs });
    socket.on('timeout', () => socket.destroy());
    const peer = this.#open(socket, addressText(endpoint), true, (handshake) => {
      dials.succeeded(endpoint);
      this.#welcome(peer, handshake, swarm, () => {
        dials.forgo(endpoint);
      });
    });
    socket.once('connect', () => {
      socket.setTimeout(0);
      peer.sendHandshake(swarm.infoHash, this.peerId);
    });
    socket.once('close', () => {
      if (swarm.isBanned(peer.id)) dials.forgo(endpoint);
      else dials.ended(endpoint);
    });
  }

  #accept(socket: Socket): void {
    if (this.#closed || this.#connections.size >= this.#init.maxConnections) {
      socket.destroy();
      return;
    }
    const host = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const address = addressText({ host, port: socket.remotePort ?? 0 });
    const peer = this.#open(socket, address, false, (handshake) => {
      const swarm = this.#swarmOf(handshake);
      if (swarm === undefined) {
        peer.close(new PeerError('PEER_PROTOCOL', `${address} asks for an image that is not here`));
        return;
      }
      peer.sendHandshake(answeredHash(swarm, handshake), this.peerId);
      this.#welcome(peer, handshake, swarm, () => undefined);
    });
  }

  #open(
    socket: Socket,
    address: string,
    outgoing: boolean,
    onHandshake: (handshake: Handshake) => void,
  ): Peer {
    const timer = setTimeout(() => {
      peer.close(new PeerError('PEER_TIMEOUT', `${address} sent no handshake`));
    }, handshakeTimeoutMs);
    const peer = new Peer(
      {
        socket,
        uploadLimit: this.#uploadLimit,
        downloadLimit: this.#downloadLimit,
        now: this.#components.now,
      },
      {
        address,
        outgoing,
        onHandshake: (_, handshake) => {
          clearTimeout(timer);
          onHandshake(handshake);
        },
      },
    );
    this.#connections.add(peer);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#connections.delete(peer);
    });
    return peer;
  }

  #swarmOf(handshake: Handshake): Swarm | undefined {
    for (const { swarm } of this.#memberships.values()) {
      if (swarm.infoHash.subarray(0, 20).equals(handshake.infoHash)) return swarm;
      if (swarm.v1InfoHash?.equals(handshake.infoHash) === true) return swarm;
    }
    return undefined;
  }

  /** Takes a peer into its swarm, unless it is ourselves, banned, or connected already. */
  #welcome(peer: Peer, handshake: Handshake, swarm: Swarm, forgo: () => void): void {
    const expected = handshake.infoHash.equals(swarm.infoHash.subarray(0, 20));
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
    const weAreSmaller = this.peerId.toString('hex') < newer.id;
    return twin.outgoing === weAreSmaller;
  }

  /** Leaves all swarms, closes all connections and the listener. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    const closed = once(this.#server, 'close');
    this.#server.close();
    await Promise.all([...this.#memberships.keys()].map((imageId) => this.leave(imageId)));
    for (const peer of this.#connections) peer.close();
    await closed;
  }
}

/** BEP 52, 'Upgrade Path': who knows v2 is answered with the v2 hash. */
function answeredHash(swarm: Swarm, handshake: Handshake): Buffer {
  const v2 = swarm.infoHash.subarray(0, 20);
  return handshake.v2 || handshake.infoHash.equals(v2) ? v2 : handshake.infoHash;
}

const addressText = ({ host, port }: Endpoint): string =>
  isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
