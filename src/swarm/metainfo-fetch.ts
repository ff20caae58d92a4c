import type { ImageInfo, Metainfo } from '../image/index.ts';
import type { MetadataMessage } from './extension.ts';
import { LayerFetch } from './layer-fetch.ts';
import type { HashRange } from './message.ts';
import { MetadataFetch } from './metadata-fetch.ts';
import type { Peer } from './peer.ts';
import type { SwarmPeers } from './swarm-peers.ts';

export interface MetainfoFetchComponents {
  readonly now: () => number;
  readonly peers: SwarmPeers;
}

export interface MetainfoFetchInit {
  readonly infoHash: Buffer;
  /** The size of the info dictionary, where it was signed. */
  readonly infoBytes: number | undefined;
  /** The info dictionary is here; the hashes of the pieces are asked for next. */
  readonly onInfo: (info: ImageInfo) => void;
  readonly onDone: (metainfo: Metainfo) => void;
}

/** Gets what an image is from peers: the info dictionary first, then the hashes of its pieces. */
export class MetainfoFetch {
  readonly #components: MetainfoFetchComponents;
  readonly #init: MetainfoFetchInit;
  #dictionary: MetadataFetch | undefined;
  #layers: LayerFetch | undefined;

  constructor(components: MetainfoFetchComponents, init: MetainfoFetchInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Nothing is asked for before. */
  start(): void {
    const { infoHash, infoBytes: expectedBytes } = this.#init;
    this.#dictionary = new MetadataFetch(this.#components, {
      infoHash,
      expectedBytes,
      onDone: (info) => {
        this.#startLayers(info);
      },
    });
    this.#components.peers.each((peer) => this.#dictionary?.ask(peer));
  }

  #startLayers(info: ImageInfo): void {
    const { now, peers } = this.#components;
    this.#dictionary = undefined;
    this.#init.onInfo(info);
    const layers = new LayerFetch(
      { now, peers: () => peers.all },
      {
        info,
        onDone: (pieceLayers) => {
          this.#layers = undefined;
          this.#init.onDone({ info, pieceLayers });
        },
      },
    );
    this.#layers = layers;
    layers.start();
    for (const peer of peers.all) this.#layers?.ask(peer);
  }

  /** Nothing is asked for any more: it came from elsewhere, or the swarm has failed. */
  stop(): void {
    this.#dictionary = undefined;
    this.#layers = undefined;
  }

  /** A peer can be asked, or has said more of itself. */
  ask(peer: Peer): void {
    this.#dictionary?.ask(peer);
    this.#layers?.ask(peer);
  }

  onMetadata(peer: Peer, message: MetadataMessage): void {
    this.#dictionary?.onMessage(peer, message);
  }

  onHashes(peer: Peer, range: HashRange, hashes: Uint8Array): void {
    this.#layers?.onHashes(peer, range, hashes);
  }

  onReject(peer: Peer, range: HashRange): void {
    this.#layers?.onReject(peer, range);
  }

  onPieces(peer: Peer): void {
    this.#layers?.onPieces(peer);
  }

  /** A peer is gone: what it was asked for is asked of others. */
  onGone(peer: Peer): void {
    this.#dictionary?.forget(peer);
    this.#layers?.forget(peer);
    if (this.#dictionary === undefined && this.#layers === undefined) return;
    this.#components.peers.each((other) => {
      this.ask(other);
    });
  }

  /** Called about once a second. */
  tick(): void {
    if (this.#dictionary !== undefined) {
      this.#dictionary.tick();
      this.#components.peers.each((peer) => this.#dictionary?.ask(peer));
    }
    this.#layers?.tick();
  }
}
