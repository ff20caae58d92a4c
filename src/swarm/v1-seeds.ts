import type { StoredImage, V1Torrent } from '../image/index.ts';
import { Announcer } from './announcer.ts';
import type { DataLanes } from './data/data-lanes.ts';
import { SwarmData } from './swarm-data.ts';
import { V1Seed } from './v1-seed.ts';

export interface V1SeedsComponents {
  readonly lanes: DataLanes;
  readonly random: () => number;
  readonly now: () => number;
}

export interface V1SeedsInit {
  /** What this host calls itself in handshakes, 20 bytes. */
  readonly peerId: Buffer;
  readonly trackers: readonly string[];
  readonly onAnnounceError: (error: unknown) => void;
}

/** The images that this host serves also to clients that speak BitTorrent v1 only. */
export class V1Seeds implements AsyncDisposable {
  readonly #components: V1SeedsComponents;
  readonly #init: V1SeedsInit;
  readonly #byHash = new Map<string, { seed: V1Seed; announcer: Announcer }>();

  constructor(components: V1SeedsComponents, init: V1SeedsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Serves an image at this port, and announces it. @param key its number in the data planes */
  add(stored: StoredImage, torrent: V1Torrent, { key, port }: { key: number; port: number }): void {
    const hash = torrent.layout.infoHash.toString('hex');
    if (this.#byHash.has(hash)) return;
    const { lanes, now } = this.#components;
    const data = new SwarmData({ lanes }, { key });
    const components = { data, now, listenPort: () => port };
    const seed = new V1Seed(components, { torrent, tree: stored.tree });
    this.#byHash.set(hash, { seed, announcer: this.#announce(seed, port) });
  }

  #announce(seed: V1Seed, port: number): Announcer {
    const { peerId, trackers, onAnnounceError } = this.#init;
    return new Announcer(this.#components, {
      trackers,
      describe: () => ({
        infoHash: seed.infoHash,
        peerId,
        port,
        sealed: false,
        uploadedBytes: seed.sentBytes,
        downloadedBytes: 0,
        leftBytes: 0,
        wanted: 0,
      }),
      isStarving: () => false,
      onEndpoints: () => undefined,
      onError: onAnnounceError,
    });
  }

  find(infoHash: Buffer): V1Seed | undefined {
    return this.#byHash.get(infoHash.toString('hex'))?.seed;
  }

  /** Called about once a second. */
  tick(): void {
    for (const { seed } of this.#byHash.values()) seed.tick();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { seed, announcer } of this.#byHash.values()) {
      await seed[Symbol.asyncDispose]();
      await announcer[Symbol.asyncDispose]();
    }
  }
}
