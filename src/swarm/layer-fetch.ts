import { PeerError } from '../errors.ts';
import { hashBytes, isPieceLayerOf, type ImageFile, type ImageInfo } from '../image/index.ts';
import { pieceLayerRanges, provenHashes } from './hash-range.ts';
import type { HashRange } from './message.ts';
import type { Peer } from './peer.ts';

interface WantedRange {
  readonly file: ImageFile;
  readonly range: HashRange;
  readonly key: string;
}

/** Requests under way at once, to one peer. */
const window = 8;
/** A peer that answers none of its requests for so long is given up. */
const answerTimeoutMs = 10_000;
/** After so long, what a peer was asked for is asked of others too. */
const slowMs = 2_000;
/** After so long, who rejected a request is asked again: it may have got the hashes meanwhile. */
const askAgainMs = 3_000;

/**
 * Gets the piece layers from peers (BEP 52, 'hash request'). Every answer is proven against the
 * root of its file before it is kept.
 */
export class LayerFetch {
  readonly #pieceSizeBytes: number;
  readonly #onDone: (layers: Map<string, Buffer>) => void;
  readonly #now: () => number;
  readonly #peers: () => Iterable<Peer>;
  readonly #layers = new Map<string, Buffer>();
  /** What has not come yet, and which of it nobody is asked for. */
  readonly #missing = new Set<string>();
  readonly #wanted = new Map<string, WantedRange>();
  readonly #asked = new Map<Peer, Map<string, WantedRange>>();
  readonly #lastAnswerMs = new Map<Peer, number>();
  /** What a peer has rejected; for a while it is not asked for that again. */
  readonly #rejected = new Map<Peer, Set<string>>();
  #askAgainAtMs = 0;
  readonly #files = new Map<string, ImageFile>();

  constructor(
    components: { now: () => number; peers: () => Iterable<Peer> },
    init: { info: ImageInfo; onDone: (layers: Map<string, Buffer>) => void },
  ) {
    this.#now = components.now;
    this.#peers = components.peers;
    this.#pieceSizeBytes = init.info.pieceSizeBytes;
    this.#onDone = init.onDone;
    for (const file of init.info.files) {
      const root = file.root?.toString('hex');
      if (root === undefined || file.pieceCount < 2 || this.#layers.has(root)) continue;
      this.#layers.set(root, Buffer.alloc(file.pieceCount * hashBytes));
      this.#files.set(root, file);
      for (const range of pieceLayerRanges(file, init.info.pieceSizeBytes)) {
        this.#wanted.set(keyOf(range), { file, range, key: keyOf(range) });
        this.#missing.add(keyOf(range));
      }
    }
  }

  /** Must be called once; it is done at once when no file has more than one piece. */
  start(): void {
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (this.#missing.size > 0) return;
    for (const [root, layer] of this.#layers) {
      const file = this.#files.get(root);
      if (file === undefined || !isPieceLayerOf(file, this.#pieceSizeBytes, layer)) {
        throw new RangeError(`the proven hashes of ${root} do not lead to it`);
      }
    }
    this.#onDone(this.#layers);
  }

  ask(peer: Peer): void {
    if (!peer.speaksV2) return;
    const asked = this.#asked.get(peer) ?? new Map<string, WantedRange>();
    this.#asked.set(peer, asked);
    const rejected = this.#rejected.get(peer);
    for (const wanted of this.#wanted.values()) {
      if (asked.size >= window) return;
      if (rejected?.has(wanted.key) === true || asked.has(wanted.key)) continue;
      this.#wanted.delete(wanted.key);
      if (asked.size === 0) this.#lastAnswerMs.set(peer, this.#now());
      asked.set(wanted.key, wanted);
      peer.send({ type: 'hashRequest', range: wanted.range });
    }
  }

  /** It tells of pieces, so it has the hashes of all by now. */
  onPieces(peer: Peer): void {
    if (this.#rejected.delete(peer)) this.ask(peer);
  }

  /** What the peer was asked for is wanted from others. */
  forget(peer: Peer): void {
    for (const wanted of this.#asked.get(peer)?.values() ?? []) {
      if (this.#missing.has(wanted.key)) this.#wanted.set(wanted.key, wanted);
    }
    this.#asked.delete(peer);
    this.#rejected.delete(peer);
    this.#lastAnswerMs.delete(peer);
  }

  /** Gives up peers that stall, and asks again. Called about once a second. */
  tick(): void {
    const now = this.#now();
    for (const [peer, asked] of [...this.#asked]) {
      const silentMs = now - (this.#lastAnswerMs.get(peer) ?? now);
      if (asked.size === 0 || silentMs <= slowMs) continue;
      // Others are asked as well; whoever answers first is used.
      for (const wanted of asked.values()) this.#wanted.set(wanted.key, wanted);
      for (const other of this.#peers()) if (other !== peer) this.ask(other);
      if (silentMs <= answerTimeoutMs) continue;
      peer.close(new PeerError('PEER_TIMEOUT', `${peer.address} answers no hash requests`));
    }
    if (now < this.#askAgainAtMs) return;
    this.#askAgainAtMs = now + askAgainMs;
    this.#rejected.clear();
    for (const peer of this.#peers()) this.ask(peer);
  }

  onReject(peer: Peer, range: HashRange): void {
    const key = keyOf(range);
    const wanted = this.#take(peer, key);
    if (wanted === undefined || !this.#missing.has(key)) return;
    this.#wanted.set(key, wanted);
    const rejected = this.#rejected.get(peer) ?? new Set();
    this.#rejected.set(peer, rejected.add(key));
    for (const other of this.#peers()) this.ask(other);
  }

  /** @throws PeerError PEER_BAD_METADATA when the hashes are not proven */
  onHashes(peer: Peer, range: HashRange, hashes: Uint8Array): void {
    const wanted = this.#take(peer, keyOf(range));
    if (wanted === undefined || !this.#missing.has(wanted.key)) return;
    const { file } = wanted;
    const proven = provenHashes(file, wanted.range, hashes);
    if (proven === undefined) {
      this.#wanted.set(wanted.key, wanted);
      throw new PeerError('PEER_BAD_METADATA', `${peer.address} sent hashes that prove nothing`, {
        evidence: { peer: peer.address, file: file.path },
      });
    }
    const layer = this.#layers.get(file.root?.toString('hex') ?? '');
    // The answer is filled up to a power of two; the layer is not.
    const count = Math.min(wanted.range.length, file.pieceCount - wanted.range.index);
    this.#missing.delete(wanted.key);
    this.#wanted.delete(wanted.key);
    layer?.set(proven.subarray(0, count * hashBytes), wanted.range.index * hashBytes);
    this.ask(peer);
    this.#finishIfDone();
  }

  #take(peer: Peer, key: string): WantedRange | undefined {
    const asked = this.#asked.get(peer);
    const wanted = asked?.get(key);
    asked?.delete(key);
    if (wanted !== undefined) this.#lastAnswerMs.set(peer, this.#now());
    return wanted;
  }
}

const keyOf = (range: HashRange): string =>
  `${Buffer.from(range.root).toString('hex')}/${range.baseLayer}/${range.index}/${range.length}`;
