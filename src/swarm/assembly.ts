import { blockBytes, blockCount, hashBytes, hashBlocks } from '../image/index.ts';
import type { BlockRange } from './message.ts';
import type { Peer } from './peer.ts';

/** One piece that is being put together from blocks. */
export class Assembly {
  readonly piece: number;
  readonly data: Buffer;
  readonly blockCount: number;
  /** The peer that fetches it; others help only when nothing else is left to begin. */
  owner: Peer | undefined;
  /** The piece failed before with blocks of several peers: now one peer sends all of it. */
  readonly exclusive: boolean;
  /** Who sent each block, by peer id; undefined: it is not here. */
  readonly #sources: (string | undefined)[];
  readonly #requesters: Peer[][];
  #received = 0;

  constructor(init: { piece: number; sizeBytes: number; exclusive: boolean }) {
    this.piece = init.piece;
    this.data = Buffer.allocUnsafeSlow(init.sizeBytes);
    this.blockCount = blockCount(init.sizeBytes);
    this.exclusive = init.exclusive;
    this.#sources = Array.from({ length: this.blockCount }, () => undefined);
    this.#requesters = Array.from({ length: this.blockCount }, () => []);
  }

  get isComplete(): boolean {
    return this.#received === this.blockCount;
  }

  rangeOf(block: number): BlockRange {
    const beginBytes = block * blockBytes;
    const lengthBytes = Math.min(blockBytes, this.data.length - beginBytes);
    return { piece: this.piece, beginBytes, lengthBytes };
  }

  /** The first block that nobody was asked for. */
  unrequestedBlock(): number | undefined {
    return this.#find((block) => this.#requesters[block]?.length === 0);
  }

  /** The first block that was asked for, though not of this peer and of fewer than `limit`. */
  blockToDouble(peer: Peer, limit: number): number | undefined {
    return this.#find((block) => {
      const requesters = this.#requesters[block] ?? [];
      return requesters.length < limit && !requesters.includes(peer);
    });
  }

  #find(suits: (block: number) => boolean): number | undefined {
    for (let block = 0; block < this.blockCount; block++) {
      if (this.#sources[block] === undefined && suits(block)) return block;
    }
    return undefined;
  }

  requested(block: number, peer: Peer): void {
    this.#requesters[block]?.push(peer);
  }

  /** The request is void: it was rejected, or the peer is gone. */
  unrequested(block: number, peer: Peer): void {
    const requesters = this.#requesters[block];
    const at = requesters?.indexOf(peer) ?? -1;
    if (at >= 0) requesters?.splice(at, 1);
  }

  /**
   * Puts a block in its place.
   * @returns the other peers that were asked for it too, or undefined when it was here already
   */
  receive(block: number, peer: Peer, data: Uint8Array): Peer[] | undefined {
    if (this.#sources[block] !== undefined) return undefined;
    this.data.set(data, block * blockBytes);
    this.#sources[block] = peer.id;
    this.#received += 1;
    const others = (this.#requesters[block] ?? []).filter((other) => other !== peer);
    this.#requesters[block] = [];
    return others;
  }

  /** The ids of the peers whose blocks are in it. */
  get contributors(): Set<string> {
    return new Set(this.#sources.filter((source) => source !== undefined));
  }

  /** Who sent which block with which hash, for when the right hashes are known. */
  evidence(): { block: number; source: string; hash: Buffer }[] {
    const leaves = hashBlocks(this.data);
    return this.#sources.flatMap((source, block) => {
      const hash = Buffer.from(leaves.subarray(block * hashBytes, (block + 1) * hashBytes));
      return source === undefined ? [] : [{ block, source, hash }];
    });
  }
}
