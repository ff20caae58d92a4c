import type { GatewaySlots } from '../policy/index.ts';
import type { AnnounceRequest, AnnounceResponse, Endpoint } from './announce.ts';
import { maxSpares, type SwarmAnswer, type SwarmProgress } from './announce-batch.ts';
import { Announcer } from './announcer.ts';
import type { Transport } from './data/data-protocol.ts';
import type { OriginTalk } from './origin-permit.ts';
import type { Swarm } from './swarm.ts';
import { trackerOrder } from './tracker-order.ts';
import type { SwarmTalk, TrackerSession } from './tracker-session.ts';

/** Whom this host should be connected to for an image, and nobody else of its fleet. */
export interface SwarmTies {
  readonly endpoints: readonly (Endpoint & { readonly isWhole: boolean })[];
  /** Who can stand in for those that can't be reached. */
  readonly spares: readonly Endpoint[];
  readonly slots: GatewaySlots;
}

export interface SwarmAnnouncingComponents {
  readonly swarm: Swarm;
  readonly random: () => number;
  readonly now: () => number;
  /** One for each tracker, by its URL. */
  readonly sessions: ReadonlyMap<string, TrackerSession>;
}

export interface SwarmAnnouncingInit {
  readonly peerId: Buffer;
  /** The transport by which this host connects to others. */
  readonly transport: Transport;
  /** The listeners, and their ports. */
  readonly ports: ReadonlyMap<Transport, number>;
  /** How the origin is talked of with the tracker, where there are web seeds. */
  readonly origin: OriginTalk | undefined;
  /** How many of its ties this host can't reach. */
  readonly missing: () => number;
  /** What a tracker of ours says. */
  readonly onTies: (ties: SwarmTies) => void;
  /** Where peers are that have the image under this hash, of 20 bytes, says another tracker. */
  readonly onEndpoints: (endpoints: readonly Endpoint[], hash: Buffer) => void;
  readonly onError: (error: unknown) => void;
}

const wantedPeers = 50;

/**
 * Keeps one swarm announced. Members of a fleet announce it to the tracker that is responsible for it,
 * and while that is out of reach to the next one. Ordinary clients are told of the plain port, by
 * every tracker, and those also under the v1 hashes of the image.
 */
export class SwarmAnnouncing implements SwarmTalk, AsyncDisposable {
  readonly infoHash: Buffer;
  readonly origin: OriginTalk | undefined;
  readonly #components: SwarmAnnouncingComponents;
  readonly #swarm: Swarm;
  readonly #init: SwarmAnnouncingInit;
  /** Those of the trackers that the swarm is announced to, the one that is responsible first. */
  readonly #order: readonly TrackerSession[];
  readonly #joined = new Set<TrackerSession>();
  readonly #announcers: Announcer[] = [];
  /** The v1 hashes that are announced, in hexadecimal. */
  readonly #announced = new Set<string>();
  #closed = false;
  #last = { atMs: 0, receivedBytes: 0 };

  constructor(components: SwarmAnnouncingComponents, init: SwarmAnnouncingInit) {
    this.#components = components;
    this.#swarm = components.swarm;
    this.#init = init;
    this.infoHash = this.#swarm.hashes.infoHash.subarray(0, 20);
    this.origin = init.origin;
    const { sessions } = components;
    this.#order = trackerOrder([...sessions.keys()], this.infoHash)
      .map((url) => sessions.get(url))
      .filter((session) => session !== undefined);
    this.#join(this.#order[0]);
    if (init.transport === 'sealed' && init.ports.has('plain')) this.#announce(this.infoHash);
    this.announceV1Hashes();
  }

  /** One tracker is enough; the next is asked only while those before it are out of reach. */
  #join(session: TrackerSession | undefined): void {
    if (session === undefined || this.#closed || this.#joined.has(session)) return;
    this.#joined.add(session);
    session.join(this);
  }

  onReachable(session: TrackerSession, reachable: boolean): void {
    const at = this.#order.indexOf(session);
    if (!reachable) {
      this.#join(this.#order[at + 1]);
      return;
    }
    for (const later of this.#order.slice(at + 1)) {
      if (this.#joined.delete(later)) void later.leave(this);
    }
  }

  claim(): ReturnType<SwarmTalk['claim']> {
    const missing = Math.min(maxSpares, this.#init.missing());
    return {
      leftBytes: this.#swarm.leftBytes,
      missing: missing > 0 ? missing : undefined,
      progress: this.#progress(),
    };
  }

  #progress(): SwarmProgress {
    const { state, pieces, verifiedPieces, receivedBytes, receivedFrom, reusedBytes } =
      this.#swarm.status();
    const atMs = this.#components.now();
    const seconds = (atMs - this.#last.atMs) / 1_000;
    const received = receivedBytes - this.#last.receivedBytes;
    this.#last = { atMs, receivedBytes };
    return {
      state,
      pieces: pieces ?? 0,
      verifiedPieces,
      receivedBytesPerSecond: seconds > 0 ? Math.max(0, received / seconds) : 0,
      sources: { ...receivedFrom, reused: reusedBytes },
    };
  }

  describe(): Omit<AnnounceRequest, 'event'> {
    return this.#describe(this.infoHash, this.#init.transport);
  }

  isStarving(): boolean {
    return !this.#swarm.isWhole && this.#swarm.peers.size === 0;
  }

  onAnswer({ peers, spares = [], slots }: SwarmAnswer): void {
    if (this.#closed) return;
    const [rack, zone] = slots;
    this.#init.onTies({
      endpoints: peers,
      spares,
      slots: [rack ?? undefined, zone ?? undefined],
    });
  }

  onForeignAnswer({ endpoints }: AnnounceResponse): void {
    if (!this.#closed) this.#init.onEndpoints(endpoints, this.infoHash);
  }

  #describe(infoHash: Buffer, transport: Transport): Omit<AnnounceRequest, 'event'> {
    const { peerId, ports } = this.#init;
    const { sentBytes, receivedBytes } = this.#swarm.status();
    return {
      infoHash,
      peerId,
      port: ports.get(transport) ?? 0,
      sealed: transport === 'sealed',
      uploadedBytes: sentBytes,
      downloadedBytes: receivedBytes,
      leftBytes: this.#swarm.leftBytes,
      wanted: transport === this.#init.transport ? wantedPeers : 0,
    };
  }

  /** Announces the plain port under a hash, as any client does. */
  #announce(infoHash: Buffer): Announcer {
    const { transport, onEndpoints, onError } = this.#init;
    const own = transport === 'plain';
    const announcer = new Announcer(this.#components, {
      trackers: [...this.#components.sessions.keys()],
      describe: () => this.#describe(infoHash, 'plain'),
      isStarving: () => own && this.isStarving(),
      onEndpoints: (endpoints) => {
        if (own) onEndpoints(endpoints, infoHash.subarray(0, 20));
      },
      onError,
    });
    this.#announcers.push(announcer);
    return announcer;
  }

  /**
   * Ordinary clients look for a hybrid under its v1 hash, which may be known only later. Where an
   * image is also asked of a v1-only swarm, it is announced there while it is fetched.
   */
  announceV1Hashes(): void {
    const swarm = this.#swarm;
    if (this.#closed || !this.#init.ports.has('plain')) return;
    for (const infoHash of swarm.hashes.all.slice(1)) {
      if (this.#announced.has(infoHash.toString('hex'))) continue;
      this.#announced.add(infoHash.toString('hex'));
      const announcer = this.#announce(infoHash);
      if (infoHash !== swarm.hashes.v1?.infoHash) continue;
      void swarm.completed.then(
        () => announcer[Symbol.asyncDispose](),
        () => undefined,
      );
    }
  }

  /** Tells the trackers that the image is whole here. */
  announceCompleted(): void {
    for (const session of this.#joined) session.complete(this);
    for (const announcer of this.#announcers) announcer.announceCompleted();
  }

  /** There is something to ask of the tracker: for leave to use the origin, for others to connect to. */
  hurry(): void {
    for (const session of this.#joined) session.hurry(this);
  }

  /** Says good-bye to the trackers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const farewells = [...this.#joined].map((session) => session.leave(this));
    const ends = this.#announcers.map((announcer) => announcer[Symbol.asyncDispose]());
    await Promise.all([...farewells, ...ends]);
  }
}
