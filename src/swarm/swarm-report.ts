import type { ImageInfo } from '../image/index.ts';
import type { Bitfield } from '../policy/index.ts';
import type { ImageFetch } from './image-fetch.ts';
import { PeerTally } from './peer-tally.ts';
import type { SeedInjection } from './seed-injection.ts';
import type { SwarmLife } from './swarm-life.ts';
import type { SwarmPeers } from './swarm-peers.ts';
import type { SwarmStatus } from './swarm-status.ts';
import type { WebSeeds } from './web-seeds.ts';

export interface SwarmReportComponents {
  readonly life: SwarmLife;
  readonly peers: SwarmPeers;
  readonly fetch: ImageFetch;
  readonly injection: SeedInjection | undefined;
  readonly webSeeds: WebSeeds | undefined;
  /** What the image is, where it is known, and which of its pieces are here. */
  readonly image: () => { info: ImageInfo | undefined; have: Bitfield | undefined };
  /** Why this host may find no peers for any image, where that is known. */
  readonly whyAlone: () => string | undefined;
}

/** What a swarm tells of itself: its status, and counts for announces. */
export class SwarmReport {
  readonly tally: PeerTally;
  readonly #components: SwarmReportComponents;
  readonly #imageId: string;

  constructor(components: SwarmReportComponents, init: { imageId: string }) {
    this.#components = components;
    this.#imageId = init.imageId;
    const { peers, webSeeds } = components;
    this.tally = new PeerTally({
      *peers() {
        yield* peers.all;
        yield* webSeeds?.peers ?? [];
      },
    });
  }

  /** How many bytes are still to be fetched. */
  get leftBytes(): number {
    const { info } = this.#components.image();
    if (info === undefined) return 1;
    return this.#isWhole ? 0 : Math.max(1, info.sizeBytes - this.#verifiedBytes(info));
  }

  get #isWhole(): boolean {
    return this.#components.life.state === 'seeding';
  }

  #verifiedBytes(info: ImageInfo | undefined): number {
    return this.#isWhole ? (info?.sizeBytes ?? 0) : this.#components.fetch.verifiedBytes;
  }

  status(): SwarmStatus {
    const { life, peers, fetch, injection, image } = this.#components;
    const { info, have } = image();
    return {
      imageId: this.#imageId,
      state: life.state,
      reason: life.reason ?? this.whyNoPeers(),
      name: info?.name,
      sizeBytes: info?.sizeBytes,
      pieces: info?.pieceCount,
      verifiedPieces: have?.count ?? 0,
      verifiedBytes: this.#verifiedBytes(info),
      reusedBytes: fetch.reusedBytes,
      receivedBytes: this.tally.receivedBytes,
      sentBytes: this.tally.sentBytes,
      isOut: injection?.isOut === true,
      peers: peers.all.size,
      receivedFrom: this.tally.receivedFrom(),
      sources: this.tally.sources(),
    };
  }

  /** While it needs peers and has none: what is known of the reason. */
  whyNoPeers(): string | undefined {
    const { life, peers, whyAlone } = this.#components;
    if (peers.all.size > 0 || life.phase === 'idle') return undefined;
    return whyAlone() ?? peers.trouble;
  }
}
