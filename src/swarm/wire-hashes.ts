import { infoHashOf, type ImageInfo, type V1Layout } from '../image/index.ts';
import type { Handshake } from './handshake.ts';

/** A v1-only torrent of the files of an image: who has that is asked for blocks too. */
export type V1OnlyTorrent = Pick<V1Layout, 'infoHash' | 'pieceSizeBytes'>;

export interface WireHashesInit {
  readonly imageId: string;
  /** The v1 info-hash that a magnet link claims for the image, until its own is known. */
  readonly v1InfoHash?: Buffer | undefined;
  /** With the metainfo of the image. */
  readonly v1?: V1OnlyTorrent | undefined;
}

/** The hashes under which an image goes on the wire, and what it says of a peer which it uses. */
export class WireHashes {
  /** The SHA-256 of the info dictionary, whole. */
  readonly infoHash: Buffer;
  /** The v1-only torrent of the same files, if one is known. */
  readonly v1: V1OnlyTorrent | undefined;
  readonly #v2: Buffer;
  readonly #claimed: Buffer | undefined;
  readonly #info: () => ImageInfo | undefined;

  constructor(components: { info: () => ImageInfo | undefined }, init: WireHashesInit) {
    this.#info = components.info;
    this.infoHash = infoHashOf(init.imageId);
    this.#v2 = this.infoHash.subarray(0, 20);
    this.#claimed = init.v1InfoHash;
    this.v1 = init.v1;
  }

  /** The hashes, of 20 bytes, under which peers of this image are found, the best first. */
  get all(): Buffer[] {
    const info = this.#info();
    // Of a hybrid: the hash of its v1 half, which has the same pieces.
    const half = info === undefined ? this.#claimed : info.v1InfoHash;
    return [this.#v2, half, this.v1?.infoHash].filter((hash) => hash !== undefined);
  }

  has(infoHash: Buffer): boolean {
    return this.all.some((hash) => hash.equals(infoHash));
  }

  isV1Only({ infoHash }: Handshake): boolean {
    return this.v1?.infoHash.equals(infoHash) === true;
  }

  /** A peer of a v2-only swarm need not say that it speaks v2. */
  speaksV2(handshake: Handshake): boolean {
    if (this.isV1Only(handshake)) return false;
    return handshake.v2 || handshake.infoHash.equals(this.#v2);
  }

  /** Under which hash who opened a connection is answered. BEP 52, 'Upgrade Path': v2 who knows it. */
  answerTo(handshake: Handshake): Buffer {
    return this.speaksV2(handshake) ? this.#v2 : handshake.infoHash;
  }
}
