import { PeerError, type StarlingError } from '../errors.ts';
import { blockBytes } from '../image/index.ts';
import { PiecePicker } from '../policy/index.ts';
import { Assembly } from './assembly.ts';
import type { IncomingImage } from './incoming-image.ts';
import type { BlockRange } from './message.ts';
import type { Peer } from './peer.ts';
import { RequestWindow, type PendingRequest } from './request-window.ts';
import { SuspectBlocks } from './suspect-blocks.ts';

export interface DownloadEvents {
  /** A piece is verified and written. */
  onPiece(piece: number, data: Buffer): void;
  /** These peers lied and must not be connected again. */
  onLiars(peerIds: ReadonlySet<string>, error: PeerError): void;
  /** Writing fails: nothing is asked for until it works again. */
  onPaused(error: StarlingError): void;
  onResumed(): void;
  /** Every piece is here. */
  onComplete(): void;
}

export interface DownloadComponents {
  readonly incoming: IncomingImage;
  readonly random: () => number;
  readonly now: () => number;
}

/** Pieces in memory, being put together or waiting to be written, are bounded by this. */
const memoryBytes = 64 << 20;
/** A peer that owes us blocks and sends none for so long is given up. */
const answerTimeoutMs = 20_000;
/** How often a write that failed is tried again. */
const retryWriteMs = 2_000;
/** In the end game a block is asked of so many peers. */
const endGameRequesters = 3;

/**
 * Fetches the pieces of an image: asks, verifies each piece against its hash, writes it, and asks
 * elsewhere for what was bad. One peer sends a whole piece, so that a new piece is useful soon and
 * a bad one has one author, until there is nothing left to begin.
 */
export class Download {
  receivedBytes = 0;
  readonly #incoming: IncomingImage;
  readonly #events: DownloadEvents;
  readonly #now: () => number;
  readonly #picker: PiecePicker;
  readonly #windows = new Map<Peer, RequestWindow>();
  readonly #assemblies = new Map<number, Assembly>();
  readonly #suspects = new SuspectBlocks();
  /** Verified pieces that could not be written yet. */
  readonly #unwritten = new Map<number, Buffer>();
  #memoryBytes = 0;
  readonly #writes = new Set<Promise<void>>();
  #paused = false;
  #retryAtMs = 0;
  #tickedMs: number;

  constructor(components: DownloadComponents, events: DownloadEvents) {
    this.#incoming = components.incoming;
    this.#events = events;
    this.#now = components.now;
    this.#tickedMs = components.now();
    const { have } = components.incoming;
    this.#picker = new PiecePicker(have.length, components.random);
    for (const piece of have) this.#picker.take(piece);
  }

  get paused(): boolean {
    return this.#paused;
  }

  addPeer(peer: Peer): void {
    if (peer.pieces === undefined || this.#windows.has(peer)) return;
    this.#windows.set(peer, new RequestWindow(this.#now()));
    this.#picker.changeAvailabilityOfAll(peer.pieces, 1);
    this.#setInterest(peer, this.#wantsFrom(peer));
  }

  removePeer(peer: Peer): void {
    const window = this.#windows.get(peer);
    if (window === undefined) return;
    this.#windows.delete(peer);
    if (peer.pieces !== undefined) this.#picker.changeAvailabilityOfAll(peer.pieces, -1);
    this.#release(peer, window);
    this.fillAll();
  }

  /** Everything the peer was asked for is asked of others. */
  #release(peer: Peer, window: RequestWindow): void {
    for (const request of window.clear()) request.assembly.unrequested(request.block, peer);
    for (const assembly of this.#assemblies.values()) {
      if (assembly.owner !== peer) continue;
      assembly.owner = undefined;
      if (assembly.exclusive) this.#abandon(assembly);
    }
  }

  /** Begins a piece anew: it must come from one peer alone. */
  #abandon(assembly: Assembly): void {
    if (this.#assemblies.get(assembly.piece) !== assembly) return;
    this.#assemblies.delete(assembly.piece);
    this.#memoryBytes -= assembly.data.length;
    this.#picker.restore(assembly.piece);
  }

  onHave(peer: Peer, piece: number): void {
    if (!this.#windows.has(peer)) return;
    this.#picker.changeAvailability(piece, 1);
    if (!peer.interestedInThem && !this.#incoming.have.has(piece)) this.#setInterest(peer, true);
    this.fill(peer);
  }

  #setInterest(peer: Peer, interested: boolean): void {
    if (interested === peer.interestedInThem) return;
    peer.interestedInThem = interested;
    peer.send({ type: interested ? 'interested' : 'notInterested' });
  }

  #wantsFrom(peer: Peer): boolean {
    const { have } = this.#incoming;
    if (have.isFull || peer.pieces === undefined) return false;
    if (peer.pieces.isFull) return true;
    for (const piece of peer.pieces) if (!have.has(piece)) return true;
    return false;
  }

  /** The peer answers no more (BEP 3); with the fast extension it rejects each request itself. */
  onChoke(peer: Peer): void {
    const window = this.#windows.get(peer);
    if (window !== undefined && peer.handshake?.fastExtension !== true) this.#release(peer, window);
  }

  onReject(peer: Peer, range: BlockRange): void {
    const request = this.#windows.get(peer)?.settle(range, this.#now());
    if (request === undefined) return;
    request.assembly.unrequested(request.block, peer);
    if (request.assembly.owner === peer) {
      request.assembly.owner = undefined;
      if (request.assembly.exclusive) this.#abandon(request.assembly);
    }
    // While it is not choking us, it rejects what it does not have.
    if (!peer.chokedByThem && !request.cancelled && peer.pieces?.remove(range.piece) === true) {
      this.#picker.changeAvailability(range.piece, -1);
    }
    this.fillAll();
  }

  /** Asks all peers for what there is room for. */
  fillAll(): void {
    for (const peer of this.#windows.keys()) this.fill(peer);
  }

  fill(peer: Peer): void {
    const window = this.#windows.get(peer);
    if (window === undefined || this.#paused || peer.chokedByThem || peer.closed) return;
    window.peerQueue = peer.extension?.requestQueue ?? window.peerQueue;
    const { room } = window;
    if (room <= 0) return;
    for (let count = 0; count < room; count++) {
      const next = this.#nextBlock(peer, window);
      if (next === undefined) break;
      const range = next.assembly.rangeOf(next.block);
      next.assembly.requested(next.block, peer);
      window.add(range, next, this.#now());
      peer.send({ type: 'request', range });
    }
  }

  /**
   * What to ask this peer for next: a block of its own piece; of a piece that lost its peer; of a
   * new piece; then, of another's piece; at last, a block that another was asked for already.
   */
  #nextBlock(peer: Peer, window: RequestWindow): PendingRequest | undefined {
    const mine = this.#openBlock((assembly) => assembly.owner === peer);
    if (mine !== undefined) return mine;
    const has = (assembly: Assembly) => peer.pieces?.has(assembly.piece) === true;
    const orphan = this.#openBlock((assembly) => assembly.owner === undefined && has(assembly));
    const begun = orphan ?? this.#begin(peer);
    if (begun !== undefined) {
      begun.assembly.owner = peer;
      return begun;
    }
    const shared = this.#openBlock((assembly) => !assembly.exclusive && has(assembly));
    if (shared !== undefined) return shared;
    // Doubling costs bandwidth: only who has nothing else to send does it.
    if (this.#picker.wantedCount > 0 || window.size > 0) return undefined;
    return this.#doubledBlock(peer, has);
  }

  #openBlock(suits: (assembly: Assembly) => boolean): PendingRequest | undefined {
    for (const assembly of this.#assemblies.values()) {
      if (!suits(assembly)) continue;
      const block = assembly.unrequestedBlock();
      if (block !== undefined) return { assembly, block, cancelled: false };
    }
    return undefined;
  }

  #doubledBlock(peer: Peer, suits: (assembly: Assembly) => boolean): PendingRequest | undefined {
    for (const assembly of this.#assemblies.values()) {
      if (assembly.exclusive || !suits(assembly)) continue;
      const block = assembly.blockToDouble(peer, endGameRequesters);
      if (block !== undefined) return { assembly, block, cancelled: false };
    }
    return undefined;
  }

  #begin(peer: Peer): PendingRequest | undefined {
    const { info } = this.#incoming.metainfo;
    const full = this.#memoryBytes + info.pieceSizeBytes > memoryBytes;
    if (peer.pieces === undefined) return undefined;
    if (full && this.#memoryBytes > 0) {
      this.#abandonUnavailable();
      return undefined;
    }
    const piece = this.#picker.pick(peer.pieces);
    if (piece === undefined) return undefined;
    const sizeBytes = this.#incoming.pieces.sizeBytes(piece);
    const exclusive = this.#suspects.has(piece);
    const assembly = new Assembly({ piece, sizeBytes, exclusive });
    this.#assemblies.set(piece, assembly);
    this.#memoryBytes += sizeBytes;
    return { assembly, block: 0, cancelled: false };
  }

  /** Frees the memory of a piece that nobody who is connected can complete. */
  #abandonUnavailable(): void {
    for (const assembly of this.#assemblies.values()) {
      if (assembly.owner !== undefined || this.#picker.availability(assembly.piece) > 0) continue;
      this.#abandon(assembly);
      return;
    }
  }

  /**
   * Takes a block.
   * @throws PeerError PEER_PROTOCOL when it was not asked for
   */
  onBlock(peer: Peer, piece: number, beginBytes: number, data: Uint8Array): void {
    const window = this.#windows.get(peer);
    const range: BlockRange = { piece, beginBytes, lengthBytes: data.length };
    const request = window?.settle(range, this.#now());
    if (window === undefined || request === undefined) {
      throw new PeerError('PEER_PROTOCOL', `${peer.address} sent a block that nobody asked for`);
    }
    this.receivedBytes += data.length;
    peer.receivedBytes += data.length;
    window.measure(data.length);
    const { assembly } = request;
    if (this.#assemblies.get(piece) === assembly) {
      const others = assembly.receive(request.block, peer, data) ?? [];
      for (const other of others) this.#cancel(other, range);
      if (assembly.isComplete) this.#verify(assembly);
    }
    this.fill(peer);
  }

  #cancel(peer: Peer, range: BlockRange): void {
    const request = this.#windows.get(peer)?.find(range);
    if (request === undefined) return;
    request.cancelled = true;
    // Without the fast extension a cancelled request may or may not be answered; so the block is
    // let come, and not used.
    if (peer.handshake?.fastExtension === true) peer.send({ type: 'cancel', range });
  }

  #verify(assembly: Assembly): void {
    const { piece, data } = assembly;
    this.#assemblies.delete(piece);
    if (this.#incoming.isPiece(piece, data)) {
      const liars = this.#suspects.convict(piece, data);
      if (liars.size > 0) this.#events.onLiars(liars, badBlock(piece));
      void this.#write(piece, data);
      return;
    }
    this.#memoryBytes -= data.length;
    this.#picker.restore(piece);
    const [author, ...others] = assembly.contributors;
    if (author !== undefined && others.length === 0) {
      this.#events.onLiars(new Set([author]), badBlock(piece));
    } else {
      this.#suspects.note(piece, assembly.evidence());
    }
  }

  /** Returns when nothing is being written; for who closes the files. */
  async idle(): Promise<void> {
    while (this.#writes.size > 0) await Promise.allSettled(this.#writes);
  }

  async #write(piece: number, data: Buffer): Promise<void> {
    const writing = this.#incoming.write(piece, data);
    this.#writes.add(writing);
    try {
      await writing;
    } catch (error) {
      this.#unwritten.set(piece, data);
      this.#pause(error as StarlingError);
      return;
    } finally {
      this.#writes.delete(writing);
    }
    this.#memoryBytes -= data.length;
    this.#unwritten.delete(piece);
    this.#events.onPiece(piece, data);
    // A piece counts as here before the bitmap says so: the last write is the end.
    if (this.#incoming.have.isFull && this.#writes.size === 0) {
      for (const peer of this.#windows.keys()) this.#setInterest(peer, false);
      this.#events.onComplete();
    } else {
      this.fillAll();
    }
  }

  #pause(error: StarlingError): void {
    this.#retryAtMs = this.#now() + retryWriteMs;
    if (this.#paused) return;
    this.#paused = true;
    this.#events.onPaused(error);
  }

  /** Called about once a second: measures, gives up silent peers, tries again to write. */
  tick(): void {
    const now = this.#now();
    for (const [peer, window] of this.#windows) {
      window.tick(now - this.#tickedMs);
      if (window.size > 0 && now - window.lastAnswerMs > answerTimeoutMs && !this.#paused) {
        peer.close(new PeerError('PEER_TIMEOUT', `${peer.address} answers no requests`));
      }
    }
    this.#tickedMs = now;
    if (this.#paused && now >= this.#retryAtMs && this.#writes.size === 0) void this.#retry();
    else this.fillAll();
  }

  /** Writes one piece; if that works, all the others, and goes on. */
  async #retry(): Promise<void> {
    const [first, ...others] = this.#unwritten;
    if (first === undefined) return;
    await this.#write(...first);
    if (this.#unwritten.has(first[0])) return;
    await Promise.all(others.map(([piece, data]) => this.#write(piece, data)));
    if (this.#unwritten.size > 0) return;
    this.#paused = false;
    this.#events.onResumed();
    this.fillAll();
  }
}

const badBlock = (piece: number): PeerError =>
  new PeerError(
    'PEER_BAD_BLOCK',
    `a peer sent a block of piece ${piece} that is not in the image`,
    {
      evidence: { piece, blockBytes },
    },
  );
