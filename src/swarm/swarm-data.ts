import { pieceHash, v1PieceCount, type Metainfo, type V1Layout } from '../image/index.ts';
import { Bitfield } from '../policy/index.ts';
import type { DataLanes } from './data/data-lanes.ts';
import { makeImageLayout, setHeld, type ImageLayoutData } from './data/image-layout.ts';
import { SharedRate } from './data/shared-rate.ts';
import { PieceMap } from './piece-map.ts';
import type { Peer } from './peer.ts';
import { V1Row } from './data/v1-row.ts';
import { V1Pieces } from './v1-pieces.ts';

/** How a swarm stands to the others of its host while both fetch. */
export type Priority = 'low' | 'normal' | 'high';

/** How fast is sent and received at the most. In bytes per second, Infinity: no limit. */
export interface RateLimits {
  readonly uploadBytesPerSecond: number;
  readonly downloadBytesPerSecond: number;
}

/** How one swarm is held back, beside the limits of its host. */
export interface SwarmLimits extends RateLimits {
  readonly priority: Priority;
}

/** Some of the limits; the others stay as they are. */
export type LimitChange<Limits extends RateLimits> = {
  readonly [Name in keyof Limits]?: Limits[Name] | undefined;
};

/** How much of the bandwidth each gets, compared with the others. */
const weights: Readonly<Record<Priority, number>> = { low: 1, normal: 4, high: 16 };

/** One swarm as the data planes of this host know it. */
export class SwarmData {
  readonly key: number;
  readonly #lanes: DataLanes;
  readonly #uploadMemory = SharedRate.create(Infinity);
  readonly #downloadMemory = SharedRate.create(Infinity);
  readonly #uploadRate = new SharedRate(this.#uploadMemory);
  readonly #downloadRate = new SharedRate(this.#downloadMemory);
  #layout: ImageLayoutData | undefined;
  #v1: V1Pieces | undefined;
  #priority: Priority = 'normal';
  #share = 1;

  constructor(components: { lanes: DataLanes }, init: { key: number }) {
    this.#lanes = components.lanes;
    this.key = init.key;
  }

  /** Makes the image known to the data planes: what lies where, and what of it is held. */
  open(metainfo: Metainfo, tree: string, held: Bitfield): void {
    const { files, pieceSizeBytes, pieceCount } = metainfo.info;
    const present = files.filter(({ sizeBytes }) => sizeBytes > 0);
    const pieces = new PieceMap(metainfo.info);
    const layout = makeImageLayout({
      pieceSizeBytes,
      pieceCount,
      files: present.map(({ path, sizeBytes, firstPiece }) => ({
        path,
        sizeBytes,
        startBytes: firstPiece * pieceSizeBytes,
      })),
      hashOf: (piece) => pieceHash(metainfo, pieces.fileOf(piece), piece),
    });
    this.#open(layout, tree, held);
  }

  /** The same for the v1-only torrent of an image that is whole: it is only served. */
  openV1(torrent: V1Layout, tree: string): void {
    const { pieceSizeBytes } = torrent;
    const pieceCount = v1PieceCount(torrent);
    const files = torrent.files.filter(({ sizeBytes }) => sizeBytes > 0);
    const layout = makeImageLayout({ pieceSizeBytes, pieceCount, files });
    this.#open(layout, tree, Bitfield.full(pieceCount));
  }

  #open(layout: ImageLayoutData, tree: string, held: Bitfield): void {
    this.#layout = layout;
    this.#v1 = undefined;
    this.setAllHeld(held);
    this.#lanes.postAll({
      type: 'openImage',
      image: this.key,
      layout,
      tree,
      uploadRate: this.#uploadMemory,
      downloadRate: this.#downloadMemory,
    });
    if (this.#share !== 1) this.#tellShare();
  }

  /** Tells the data plane of a peer which image it is about. */
  bind(peer: Peer): void {
    peer.bind(this.key, this.#layout?.pieceCount ?? 0);
  }

  /** The same for a peer that has the image as a v1-only torrent, with pieces of this size. */
  bindV1(peer: Peer, pieceSizeBytes: number): void {
    const layout = this.#layout;
    if (layout === undefined) return;
    this.#v1 ??= new V1Pieces(new V1Row(layout, pieceSizeBytes), layout.pieceCount);
    peer.bind(this.key, layout.pieceCount, this.#v1);
  }

  /** Whether a piece may be served. */
  setHeld(piece: number, held: boolean): void {
    if (this.#layout !== undefined) setHeld(this.#layout, piece, held);
  }

  setAllHeld(held: Bitfield): void {
    for (let piece = 0; piece < held.length; piece++) this.setHeld(piece, held.has(piece));
  }

  /** The tree is about to be moved there, at a moment that nobody is told; or has been. */
  moveTo(tree: string, done: boolean): void {
    this.#lanes.postAll({ type: 'moveImage', image: this.key, tree, done });
  }

  retryWrites(): void {
    this.#lanes.postAll({ type: 'retryWrites', image: this.key });
  }

  get weight(): number {
    return weights[this.#priority];
  }

  get limits(): SwarmLimits {
    return {
      uploadBytesPerSecond: this.#uploadRate.bytesPerSecond,
      downloadBytesPerSecond: this.#downloadRate.bytesPerSecond,
      priority: this.#priority,
    };
  }

  setLimits(change: LimitChange<SwarmLimits>): void {
    const { uploadBytesPerSecond: up, downloadBytesPerSecond: down, priority } = change;
    if (up !== undefined) this.#uploadRate.bytesPerSecond = up;
    if (down !== undefined) this.#downloadRate.bytesPerSecond = down;
    if (priority !== undefined) this.#priority = priority;
    this.#lanes.postAll({ type: 'limitsChanged' });
  }

  /** How much it counts against the others of its host: 1 is the most. */
  setShare(share: number): void {
    if (share === this.#share) return;
    this.#share = share;
    this.#tellShare();
  }

  #tellShare(): void {
    this.#lanes.postAll({ type: 'shareImage', image: this.key, share: this.#share });
  }

  /** Closes its connections and files; returns when nothing of it is being written. */
  async close(): Promise<void> {
    if (this.#layout !== undefined) await this.#lanes.closeImage(this.key);
    this.#layout = undefined;
  }
}
