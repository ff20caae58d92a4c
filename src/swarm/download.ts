import { PeerError, type StarlingError } from '../errors.ts';
import {
  answerPatienceMs,
  FarRequests,
  hasRequestRoom,
  PiecePicker,
  worthDoubling,
  type Gateways,
  type GatewaySlots,
  type Level,
  type PieceSet,
  type SourcePace,
} from '../policy/index.ts';
import type { IncomingImage } from './incoming-image.ts';
import type { Peer } from './peer.ts';
import type { PieceBudget } from './piece-budget.ts';

export interface DownloadEvents {
  /** A piece is verified and written. */
  onPiece(piece: number): void;
  /** This peer lied and must not be connected again. */
  onLiar(peerId: string, error: PeerError): void;
  /** Writing fails: nothing is asked for until it works again. */
  onPaused(error: StarlingError): void;
  onResumed(): void;
  /** What could not be written is to be written again. */
  onRetry(): void;
  /** Every piece is here. */
  onComplete(): void;
}

export interface DownloadComponents {
  readonly incoming: IncomingImage;
  readonly budget: PieceBudget;
  readonly random: () => number;
  readonly now: () => number;
}

/** What a peer was asked for and has not sent. */
interface Source {
  readonly pieces: Set<number>;
  bytes: number;
  /** When it was first asked after it had owed nothing. */
  sinceMs: number;
  lastPiece: number;
}

/** In what time a piece may come from a peer of which nothing is known. */
const usualPieceMs = 250;
/** Ticks are a second apart; after such a pause this process had not the processor, or was stopped. */
const sleptMs = 2_500;
/** How often a write that failed is tried again. */
const retryWriteMs = 2_000;
/** In the end game a piece is asked of so many peers. */
const endGameOwners = 3;
/** After so long without a new piece, who hands out pieces is asked for others too. */
const handedPatienceMs = 10_000;
/** So many pieces at the most are asked of one peer at a time. */
const maxPiecesAsked = 1_500;

/**
 * Decides which piece is asked of whom. One peer sends a whole piece, so that a new piece is useful
 * soon and a bad one has one author; the data planes ask for the blocks, verify and write.
 */
export class Download {
  readonly #incoming: IncomingImage;
  readonly #events: DownloadEvents;
  readonly #budget: PieceBudget;
  readonly #now: () => number;
  readonly #picker: PiecePicker;
  readonly #far: FarRequests;
  readonly #sources = new Map<Peer, Source>();
  readonly #owners = new Map<number, Peer[]>();
  /** Verified pieces that could not be written yet. */
  readonly #unwritten = new Set<number>();
  /** What this host stands for; undefined: nobody said. */
  slots: GatewaySlots | undefined;
  #outstandingBytes = 0;
  #paused = false;
  #closed = false;
  #complete = false;
  #retryAtMs = 0;
  #tickedMs: number | undefined;
  #lastVerifiedMs: number;

  constructor(components: DownloadComponents, events: DownloadEvents) {
    this.#incoming = components.incoming;
    this.#budget = components.budget;
    this.#events = events;
    this.#now = components.now;
    this.#lastVerifiedMs = components.now();
    const { have } = components.incoming;
    this.#picker = new PiecePicker(have.length, components.random);
    this.#far = new FarRequests({ pieceCount: have.length });
    for (const piece of have) this.#picker.take(piece);
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Pieces that nobody was asked for, and those among them that no connected peer has. */
  get wanted(): { pieces: number; missing: number } {
    return { pieces: this.#picker.wantedCount, missing: this.#picker.missingCount };
  }

  /** How many connected peers have this piece; web seeds don't count. */
  availability(piece: number): number {
    return this.#picker.availability(piece);
  }

  sizeBytes(piece: number): number {
    return this.#incoming.pieces.sizeBytes(piece);
  }

  /** What a peer was asked for and has not sent. */
  owedBytes(peer: Peer): number {
    return this.#sources.get(peer)?.bytes ?? 0;
  }

  addPeer(peer: Peer): void {
    if (peer.pieces === undefined || this.#sources.has(peer)) return;
    this.#sources.set(peer, { pieces: new Set(), bytes: 0, sinceMs: this.#now(), lastPiece: -1 });
    this.#changeAvailabilityOfAll(peer, 1);
    this.#setInterest(peer, this.#wantsFrom(peer));
  }

  removePeer(peer: Peer): void {
    const source = this.#sources.get(peer);
    if (source === undefined) return;
    for (const piece of [...source.pieces]) this.#disown(peer, source, piece);
    this.#sources.delete(peer);
    this.#changeAvailabilityOfAll(peer, -1);
    this.fillAll();
  }

  /**
   * The peer's pieces are about to be told anew, or how far it is: what it was asked for stays asked
   * for.
   */
  changePeer(peer: Peer, change: () => void): void {
    const known = this.#sources.has(peer);
    if (known) this.#changeAvailabilityOfAll(peer, -1);
    try {
      change();
    } finally {
      // Also what can't be is counted back: the peer is removed with the pieces that it had.
      if (known) this.#changeAvailabilityOfAll(peer, 1);
    }
    this.#setInterest(peer, this.#wantsFrom(peer));
    this.fill(peer);
  }

  #changeAvailabilityOfAll(peer: Peer, change: 1 | -1): void {
    for (const piece of peer.pieces ?? []) this.#changeAvailability(peer, piece, change);
  }

  #changeAvailability(peer: Peer, piece: number, change: 1 | -1): void {
    this.#picker.changeAvailability(piece, change);
    this.#far.change(peer.level, piece, change);
  }

  /** The peer does not owe this piece any more; if nobody does, it is wanted again. */
  #disown(peer: Peer, source: Source, piece: number): void {
    if (!source.pieces.delete(piece)) return;
    const sizeBytes = this.#incoming.pieces.sizeBytes(piece);
    source.bytes -= sizeBytes;
    const owners = (this.#owners.get(piece) ?? []).filter((owner) => owner !== peer);
    if (owners.length > 0) {
      this.#owners.set(piece, owners);
      return;
    }
    this.#owners.delete(piece);
    if (!this.#unwritten.has(piece)) this.#release(sizeBytes);
    if (!this.#incoming.have.has(piece) && !this.#unwritten.has(piece)) this.#picker.restore(piece);
  }

  #release(sizeBytes: number): void {
    // All was given back then.
    if (this.#closed) return;
    this.#outstandingBytes -= sizeBytes;
    this.#budget.give(sizeBytes);
  }

  onHave(peer: Peer, piece: number): void {
    if (!this.#sources.has(peer)) return;
    this.#changeAvailability(peer, piece, 1);
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

  /** The peer does not send these pieces: others are asked. */
  onReturned(peer: Peer, pieces: readonly number[], why: 'rejected' | 'choked'): void {
    const source = this.#sources.get(peer);
    if (source === undefined) return;
    for (const piece of pieces) {
      this.#disown(peer, source, piece);
      // While it is not choking us, it rejects what it does not have.
      if (why === 'choked' || peer.chokedByThem) continue;
      if (peer.pieces?.remove(piece) === true) this.#changeAvailability(peer, piece, -1);
    }
    this.fillAll();
  }

  /** Asks all peers for what there is room for. */
  fillAll(): void {
    for (const peer of this.#sources.keys()) this.fill(peer);
  }

  fill(peer: Peer): void {
    const source = this.#sources.get(peer);
    if (source === undefined || this.#paused || this.#closed) return;
    if (peer.chokedByThem || peer.closed) return;
    const { windowBytes } = peer.tally;
    const pieceBytes = this.#incoming.metainfo.info.pieceSizeBytes;
    // Small gaps are left open, so that pieces are asked for several at a time.
    if (source.bytes > 0.75 * windowBytes && source.bytes > 0 && !peer.isLow) return;
    const wanted: number[] = [];
    while (source.pieces.size < maxPiecesAsked) {
      const isLow = peer.isLow && wanted.length === 0;
      if (!isLow && !hasRequestRoom({ owedBytes: source.bytes, windowBytes, pieceBytes })) break;
      const piece = this.#pick(peer, source);
      if (piece === undefined) break;
      this.#own(peer, source, piece);
      wanted.push(piece);
    }
    if (wanted.length > 0) peer.want(wanted);
  }

  #own(peer: Peer, source: Source, piece: number): void {
    if (source.pieces.size === 0) source.sinceMs = this.#now();
    source.pieces.add(piece);
    source.lastPiece = piece;
    source.bytes += this.#incoming.pieces.sizeBytes(piece);
    this.#owners.set(piece, [...(this.#owners.get(piece) ?? []), peer]);
  }

  /** A piece that nobody was asked for; at last, one that another owes and will not send soon. */
  #pick(peer: Peer, source: Source): number | undefined {
    const askable = this.#askable(peer);
    if (askable === undefined) return undefined;
    const { pieceSizeBytes } = this.#incoming.metainfo.info;
    if (this.#outstandingBytes > 0 && !this.#budget.hasRoom(pieceSizeBytes)) return undefined;
    const piece = this.#pickNext(peer, source, askable) ?? this.#picker.pick(askable);
    if (piece === undefined) {
      // Doubling costs bandwidth: only who has nothing else to send does it.
      return source.pieces.size > 0 ? undefined : this.#pickDoubled(peer, source);
    }
    const sizeBytes = this.#incoming.pieces.sizeBytes(piece);
    this.#budget.take(sizeBytes);
    this.#outstandingBytes += sizeBytes;
    return piece;
  }

  /** What a peer may be asked for: of one in another rack only what has to come from there. */
  #askable(peer: Peer): PieceSet | undefined {
    const { askable, level } = peer;
    // Who hands out pieces has chosen us for them.
    if (level === 0 || askable === undefined || peer.handed !== undefined) return askable;
    const gateways = this.#gateways(level);
    if (gateways === undefined) return askable;
    const { pieceSizeBytes } = this.#incoming.metainfo.info;
    const { rateBytesPerSecond: rate } = peer.tally;
    const pieceMs = rate > 0 ? (pieceSizeBytes * 1_000) / rate : usualPieceMs;
    const nowMs = this.#now();
    return {
      has: (piece) =>
        askable.has(piece) && this.#far.mayAsk({ piece, level, gateways, nowMs, pieceMs }),
    };
  }

  /** Who stands for our rack (level 1) or zone (2) among those that are connected. */
  #gateways(level: Exclude<Level, 0>): Gateways | undefined {
    if (this.slots === undefined) return undefined;
    const others: number[] = [];
    for (const { level: theirs, extension } of this.#sources.keys()) {
      const slot = theirs < level ? extension?.slots[level - 1] : undefined;
      if (slot !== undefined) others.push(slot);
    }
    return { slot: this.slots[level - 1], others };
  }

  /** Of a web seed the piece behind the last one: neighbours come in one answer. */
  #pickNext(peer: Peer, source: Source, askable: PieceSet): number | undefined {
    const next = source.lastPiece + 1;
    if (!peer.isOrigin || !this.#picker.isWanted(next) || !askable.has(next)) return undefined;
    this.#picker.take(next);
    return next;
  }

  /** Only when there is nothing left to begin: until then what others send comes early enough. */
  #pickDoubled(peer: Peer, source: Source): number | undefined {
    if (this.#picker.wantedCount > 0) return undefined;
    const helper = this.#paceOf(peer, source);
    const { askable } = peer;
    for (const [piece, owners] of this.#owners) {
      if (owners.length >= endGameOwners || owners.includes(peer)) continue;
      if (askable?.has(piece) !== true) continue;
      // The origin is asked for nothing twice.
      if (peer.isOrigin && owners.some(({ isOrigin }) => isOrigin)) continue;
      const sizeBytes = this.#incoming.pieces.sizeBytes(piece);
      const slow = owners.every((owner) => {
        const owing = this.#sources.get(owner);
        return owing === undefined || worthDoubling(this.#paceOf(owner, owing), helper, sizeBytes);
      });
      if (slow) return piece;
    }
    return undefined;
  }

  #paceOf(peer: Peer, source: Source): SourcePace {
    const { rateBytesPerSecond } = peer.tally;
    const sinceMs = Math.max(source.sinceMs, peer.lastPayloadMs);
    const silentMs = this.#now() - sinceMs;
    return { outstandingBytes: source.bytes, rateBytesPerSecond, silentMs };
  }

  /** Pieces that came by this link are verified and written; its peer may be gone since. */
  onVerified(pieces: readonly number[], link: number): void {
    const free = new Set<Peer>();
    this.#lastVerifiedMs = this.#now();
    for (const piece of pieces) {
      for (const owner of this.#owners.get(piece) ?? []) free.add(owner);
      this.#settle(piece, link);
    }
    if (this.#paused && this.#unwritten.size === 0) this.#resume();
    if (!this.#complete && this.#incoming.have.isFull) {
      this.#complete = true;
      for (const peer of this.#sources.keys()) this.#setInterest(peer, false);
      this.#events.onComplete();
    }
    for (const peer of free) this.fill(peer);
  }

  #settle(piece: number, link: number): void {
    const owners = this.#owners.get(piece) ?? [];
    const wasUnwritten = this.#unwritten.delete(piece);
    const isNew = this.#incoming.note(piece);
    this.#picker.take(piece);
    for (const owner of owners) {
      const source = this.#sources.get(owner);
      if (source === undefined) continue;
      if (owner.link !== link) owner.unwant([piece]);
      this.#disown(owner, source, piece);
    }
    if (wasUnwritten && owners.length === 0) this.#release(this.#incoming.pieces.sizeBytes(piece));
    if (isNew) this.#events.onPiece(piece);
  }

  #resume(): void {
    this.#paused = false;
    this.#events.onResumed();
    this.fillAll();
  }

  /** A piece is not what the image has there. */
  onUntrue(peer: Peer, piece: number): void {
    const source = this.#sources.get(peer);
    if (source !== undefined) this.#disown(peer, source, piece);
    this.#events.onLiar(peer.id, badPiece(peer, piece));
  }

  /** A verified piece could not be written; its data plane keeps it. */
  onUnwritten(piece: number, error: StarlingError): void {
    if (this.#incoming.have.has(piece)) return;
    this.#unwritten.add(piece);
    for (const owner of this.#owners.get(piece) ?? []) {
      const source = this.#sources.get(owner);
      if (source !== undefined) this.#disown(owner, source, piece);
    }
    this.#retryAtMs = this.#now() + retryWriteMs;
    if (this.#paused) return;
    this.#paused = true;
    this.#events.onPaused(error);
  }

  /** Called about once a second: gives up silent peers, tries again to write, asks for more. */
  tick(): void {
    const now = this.#now();
    const hasSlept = now - (this.#tickedMs ?? now) > sleptMs;
    this.#tickedMs = now;
    for (const [peer, source] of this.#sources) {
      // What came while this process stood still has not been looked at yet.
      if (hasSlept) source.sinceMs = now;
      if (source.pieces.size === 0 || this.#paused) continue;
      const pace = this.#paceOf(peer, source);
      if (pace.silentMs <= answerPatienceMs(pace)) continue;
      peer.close(new PeerError('PEER_TIMEOUT', `${peer.address} answers no requests`));
    }
    if (!this.#paused) {
      if (now - this.#lastVerifiedMs > handedPatienceMs) {
        for (const peer of this.#sources.keys()) peer.handed = undefined;
      }
      this.fillAll();
    } else if (now >= this.#retryAtMs) {
      this.#retryAtMs = now + retryWriteMs;
      this.#events.onRetry();
    }
  }

  /** Gives back what was reserved; nothing is asked for any more. */
  close(): void {
    if (this.#closed) return;
    this.#release(this.#outstandingBytes);
    this.#closed = true;
  }
}

const badPiece = (peer: Peer, piece: number): PeerError =>
  new PeerError('PEER_BAD_BLOCK', `${peer.address} sent a piece ${piece} that is not the image's`, {
    evidence: { piece, peer: peer.id },
  });
