import type { Endpoint } from './announce.ts';
import { Announcer, type OriginTalk } from './announcer.ts';
import type { Transport } from './data/data-protocol.ts';
import type { Swarm } from './swarm.ts';

export interface SwarmAnnouncingComponents {
  readonly swarm: Swarm;
  readonly random: () => number;
  readonly now: () => number;
}

export interface SwarmAnnouncingInit {
  readonly trackers: readonly string[];
  readonly peerId: Buffer;
  /** The transport by which this host connects to others. */
  readonly transport: Transport;
  /** The listeners, and their ports. */
  readonly ports: ReadonlyMap<Transport, number>;
  /** How the origin is talked of with the tracker, where there are web seeds. */
  readonly origin: OriginTalk | undefined;
  /** Where peers are that have the image under this hash, of 20 bytes. */
  readonly onEndpoints: (endpoints: readonly Endpoint[], hash: Buffer) => void;
  readonly onError: (error: unknown) => void;
}

const wantedPeers = 50;

/**
 * Keeps one swarm announced: members are told of the sealed port, ordinary clients of the plain one,
 * and those also under the v1 hashes of the image.
 */
export class SwarmAnnouncing implements AsyncDisposable {
  readonly #components: SwarmAnnouncingComponents;
  readonly #swarm: Swarm;
  readonly #init: SwarmAnnouncingInit;
  readonly #announcers: Announcer[] = [];
  /** The v1 hashes that are announced, in hexadecimal. */
  readonly #announced = new Set<string>();
  #closed = false;

  constructor(components: SwarmAnnouncingComponents, init: SwarmAnnouncingInit) {
    this.#components = components;
    this.#swarm = components.swarm;
    this.#init = init;
    for (const transport of init.ports.keys()) this.#announce(transport, this.#swarm.infoHash);
    this.announceV1Hashes();
  }

  #announce(transport: Transport, infoHash: Buffer): Announcer {
    const swarm = this.#swarm;
    const { trackers, peerId, ports, origin, onEndpoints, onError } = this.#init;
    const own = transport === this.#init.transport;
    const announcer = new Announcer(this.#components, {
      trackers,
      describe: () => {
        const status = swarm.status();
        return {
          infoHash,
          peerId,
          port: ports.get(transport) ?? 0,
          sealed: transport === 'sealed',
          uploadedBytes: status.sentBytes,
          downloadedBytes: status.receivedBytes,
          leftBytes: swarm.leftBytes,
          wanted: own ? wantedPeers : 0,
        };
      },
      origin: own && infoHash === swarm.infoHash ? origin : undefined,
      isStarving: () => own && !swarm.isWhole && swarm.peers.size === 0,
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
    for (const infoHash of swarm.wireHashes.slice(1)) {
      if (this.#announced.has(infoHash.toString('hex'))) continue;
      this.#announced.add(infoHash.toString('hex'));
      const announcer = this.#announce('plain', infoHash);
      if (infoHash !== swarm.v1?.infoHash) continue;
      void swarm.completed.then(
        () => announcer[Symbol.asyncDispose](),
        () => undefined,
      );
    }
  }

  /** Tells the trackers that the image is whole here. */
  announceCompleted(): void {
    for (const announcer of this.#announcers) announcer.announceCompleted();
  }

  /** There is something to ask of the origin: the trackers are asked for leave soon. */
  hurryOrigin(): void {
    for (const announcer of this.#announcers) announcer.hurryOrigin();
  }

  /** Says good-bye to the trackers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#announcers.map((announcer) => announcer[Symbol.asyncDispose]()));
  }
}
