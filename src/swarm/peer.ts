import { PeerError } from '../errors.ts';
import { Bitfield, type Level, type PieceSet } from '../policy/index.ts';
import type { CredentialClaims } from '../trust/sealed.ts';
import type { DataLane } from './data/data-lane.ts';
import type { DataEvent, Failure, Tally } from './data/data-protocol.ts';
import type { ExtensionHandshake } from './extension.ts';
import { encodeHandshake, parseHandshake, type Handshake } from './handshake.ts';
import { encodeMessage, parseMessage, type Message } from './message.ts';
import type { V1Pieces } from './v1-pieces.ts';

/** What a swarm does with a connection. */
export interface PeerListener {
  onMessage(peer: Peer, message: Message): void;
  /** A piece that the peer sent is not what the image has there. */
  onUntrue(peer: Peer, piece: number): void;
  /** The peer does not send these pieces now. */
  onReturned(peer: Peer, pieces: readonly number[], why: 'rejected' | 'choked'): void;
  /** Its counters have changed. */
  onTally(peer: Peer): void;
  onClose(peer: Peer, error: Error | undefined): void;
  /** After its end: what its last counters are more than those that were known. */
  onSettled(peer: Peer, sentBytes: number, receivedBytes: number): void;
}

export interface PeerComponents {
  /** The data plane that has the connection. */
  readonly lane: Pick<DataLane, 'post'>;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export interface PeerInit {
  /** The number of the connection in its data plane. */
  readonly link: number;
  /** host:port, for people. */
  readonly address: string;
  /** Whether we opened the connection. */
  readonly outgoing: boolean;
  readonly onHandshake: (peer: Peer, handshake: Handshake) => void;
  readonly onClosed: () => void;
}

/** What is known of a peer's pieces before it is known how many there are. */
interface EarlyPieces {
  all: boolean;
  bits: Uint8Array | undefined;
  readonly singles: number[];
}

const maxEarlyPieces = 100_000;
const keepAliveMs = 60_000;
const silenceMs = 150_000;

/**
 * One connection, as the main thread sees it: its state in the protocol, and what each side has. The
 * connection itself is in a data plane, and what to ask for is decided by the swarm.
 */
export class Peer {
  readonly link: number;
  readonly address: string;
  readonly outgoing: boolean;
  /** Whether it is a web seed: asked for pieces in rows, and for none that others were asked for. */
  readonly isOrigin: boolean = false;
  handshake: Handshake | undefined;
  extension: ExtensionHandshake | undefined;
  listener: PeerListener | undefined;
  /** Called once, when the connection is closed; with what went wrong. */
  onEnd: ((error: Error | undefined) => void) | undefined;
  /** Of a sealed connection: the peer id that its certificate proves. */
  identity: string | undefined;
  /** What its credential says, where the fleet has a key. */
  claims: CredentialClaims | undefined;
  /** It knows merkle trees and hash requests (BEP 52). */
  speaksV2 = false;
  /** It has the image as a v1-only torrent, in other pieces: it is asked for blocks, and no more. */
  isV1Only = false;
  /** They do not answer our requests at the moment. */
  chokedByThem = true;
  interestedInThem = false;
  /** They have said that they want something of us. */
  interestedInUs = false;
  /** The pieces of ours that they have, once the number of pieces is known. */
  pieces: Bitfield | undefined;
  /** What it was asked for is about to end; it can be asked for one piece more. */
  isLow = false;
  /** How far it is from this host. */
  level: Level = 0;
  /** While the peer hands out pieces: those that it handed to us. Nothing else is asked of it. */
  handed: Set<number> | undefined;
  /** Hash requests of theirs that are being answered. */
  hashRequests = 0;
  tally: Tally = { receivedBytes: 0, sentBytes: 0, windowBytes: 256 << 10, rateBytesPerSecond: 0 };
  lastReceivedMs: number;
  lastSentMs: number;
  /** When payload was sent last. */
  lastServedMs = -Infinity;
  /** When payload came last. */
  lastPayloadMs: number;
  readonly #lane: Pick<DataLane, 'post'>;
  readonly #now: () => number;
  readonly #onHandshake: (peer: Peer, handshake: Handshake) => void;
  readonly #onClosed: () => void;
  /** Of a v1-only peer: the v1 pieces that it has, and which of ours they make. */
  #v1: { readonly map: V1Pieces; theirs: Bitfield } | undefined;
  #early: EarlyPieces = { all: false, bits: undefined, singles: [] };
  #unsent: Buffer[] = [];
  #unsentBytes = 0;
  #closed = false;

  constructor(components: PeerComponents, init: PeerInit) {
    this.link = init.link;
    this.address = init.address;
    this.outgoing = init.outgoing;
    this.#lane = components.lane;
    this.#now = components.now;
    this.#onHandshake = init.onHandshake;
    this.#onClosed = init.onClosed;
    this.lastReceivedMs = this.lastSentMs = this.lastPayloadMs = components.now();
  }

  get receivedBytes(): number {
    return this.tally.receivedBytes;
  }

  get sentBytes(): number {
    return this.tally.sentBytes;
  }

  /** The name by which this peer is banned: what it proved, or else the id that it chose. */
  get id(): string {
    return this.identity ?? this.handshake?.peerId.toString('hex') ?? this.address;
  }

  /** What it may be asked for at the moment; undefined: nothing. */
  get askable(): PieceSet | undefined {
    return this.pieces && (this.handed ?? this.pieces);
  }

  isIn(lane: Pick<DataLane, 'post'>): boolean {
    return this.#lane === lane;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** host:port where the peer accepts connections, as far as it is known. */
  get listenAddress(): string {
    const port = this.extension?.listenPort;
    if (this.outgoing || port === undefined) return this.address;
    return this.address.replace(/:\d+$/, `:${port}`);
  }

  /** Takes what its data plane tells of it. */
  onEvent(event: Extract<DataEvent, { link: number }>): void {
    if (this.#closed) return;
    try {
      this.#take(event);
    } catch (error) {
      this.close(error as Error);
    }
  }

  #take(event: Extract<DataEvent, { link: number }>): void {
    switch (event.type) {
      case 'handshake':
        this.lastReceivedMs = this.#now();
        this.identity = event.identity;
        this.claims = event.claims;
        this.handshake = parseHandshake(Buffer.from(event.bytes));
        this.#onHandshake(this, this.handshake);
        return;
      case 'message':
        this.lastReceivedMs = this.#now();
        this.#onBody(event.body);
        return;
      case 'verified':
      case 'tally':
        this.#count(event.tally);
        return;
      case 'low':
        this.isLow = true;
        this.#count(event.tally);
        return;
      case 'untrue':
        this.listener?.onUntrue(this, event.piece);
        return;
      case 'returned':
        this.listener?.onReturned(this, event.pieces, event.why);
        return;
      case 'closed':
        this.#count(event.tally);
        this.#ended(event.failure && closedBy(event.failure));
        return;
      case 'accepted':
        return;
    }
  }

  #onBody(body: Uint8Array): void {
    const message = parseMessage(Buffer.from(body.buffer, body.byteOffset, body.length));
    if (message !== undefined) {
      this.listener?.onMessage(this, message);
      return;
    }
    throw new PeerError('PEER_PROTOCOL', `${this.address} sent a malformed message ${body[0]}`);
  }

  #count(tally: Tally): void {
    const now = this.#now();
    if (tally.receivedBytes > this.receivedBytes) this.lastPayloadMs = this.lastReceivedMs = now;
    if (tally.sentBytes > this.sentBytes) this.lastServedMs = this.lastSentMs = now;
    this.tally = tally;
    this.listener?.onTally(this);
  }

  /** Takes the last counters of a connection that this side has ended: they come a little later. */
  settle(tally: Tally): void {
    const { sentBytes, receivedBytes } = this;
    this.tally = tally;
    this.listener?.onSettled(
      this,
      tally.sentBytes - sentBytes,
      tally.receivedBytes - receivedBytes,
    );
  }

  sendHandshake(infoHash: Buffer, peerId: Buffer): void {
    this.#post(encodeHandshake({ infoHash, peerId }));
  }

  send(message: Message): void {
    if (this.#closed) return;
    this.lastSentMs = this.#now();
    this.#post(encodeMessage(message));
  }

  /** How much was sent in this go of the event loop. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** What is sent in one go of the event loop is posted together. */
  #post(bytes: Buffer): void {
    this.#unsentBytes += bytes.length;
    if (this.#unsent.push(bytes) > 1) return;
    queueMicrotask(() => {
      this.flush();
    });
  }

  /** Hands on what waits to be sent: before anything that must come after it. */
  flush(): void {
    const unsent = this.#unsent;
    if (unsent.length === 0) return;
    // Bytes of their own: what is posted is copied with all the memory that it lies in.
    const bytes = new Uint8Array(this.#unsentBytes);
    this.#unsent = [];
    this.#unsentBytes = 0;
    let at = 0;
    for (const part of unsent) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#lane.post({ type: 'send', link: this.link, bytes });
  }

  /**
   * Says which image the connection is about.
   * @param v1 of a peer that has it as a v1-only torrent: which pieces there make which of ours
   */
  bind(image: number, pieceCount: number, v1?: V1Pieces): void {
    this.flush();
    const v1PieceSizeBytes = v1?.row.pieceSizeBytes;
    this.#lane.post({ type: 'bind', link: this.link, image, v1PieceSizeBytes });
    const maxMessageBytes = Math.ceil((v1?.v1Count ?? pieceCount) / 8) + 1;
    this.#lane.post({ type: 'peer', link: this.link, abilities: { maxMessageBytes } });
    if (v1 !== undefined) this.#v1 = { map: v1, theirs: new Bitfield(v1.v1Count) };
    this.resolvePieces(pieceCount);
  }

  /** What the peer says of itself; it may say it again. */
  setExtension(extension: ExtensionHandshake): void {
    this.extension = extension;
    const { requestQueue, injects } = extension;
    this.handed = injects === true ? (this.handed ?? new Set()) : undefined;
    // What v1 requests are translated in is ordinary blocks.
    const maxRequestBytes = this.isV1Only ? undefined : extension.maxRequestBytes;
    const abilities = { maxRequestBytes, requestQueue };
    this.#lane.post({ type: 'peer', link: this.link, abilities });
  }

  /** Notes a piece that the peer suggests (BEP 6); while it hands out pieces, that is its word. */
  onSuggested(piece: number): void {
    if (this.handed !== undefined && this.handed.size < maxEarlyPieces) this.handed.add(piece);
  }

  want(pieces: readonly number[]): void {
    this.isLow = false;
    this.flush();
    this.#lane.post({ type: 'want', link: this.link, pieces });
  }

  unwant(pieces: readonly number[]): void {
    if (!this.#closed) this.#lane.post({ type: 'unwant', link: this.link, pieces });
  }

  /**
   * Notes what a `bitfield`, `have`, `haveAll` or `haveNone` says.
   * @returns the pieces that are new, for a `have`: of a v1-only peer, none to many
   * @throws PeerError PEER_PROTOCOL when it does not fit the image
   */
  learnPieces(message: Message): readonly number[] {
    if (message.type === 'have') return this.#learnPiece(message.piece);
    const bits = message.type === 'bitfield' ? Buffer.from(message.bits) : undefined;
    this.#early = { all: message.type === 'haveAll', bits, singles: [] };
    if (this.pieces !== undefined) this.pieces = this.#resolveOurs(this.pieces.length);
    return [];
  }

  #learnPiece(piece: number): readonly number[] {
    const { pieces } = this;
    if (pieces === undefined) {
      if (this.#early.singles.length >= maxEarlyPieces) throw this.#misfit();
      this.#early.singles.push(piece);
      return [];
    }
    const theirs = this.#v1?.theirs ?? pieces;
    if (piece >= theirs.length) throw this.#misfit();
    const isNew = theirs.add(piece);
    if (this.#v1 === undefined) return isNew ? [piece] : [];
    return this.#v1.map.completedBy(piece, theirs).filter((ours) => pieces.add(ours));
  }

  /** Tells how many pieces there are, so that what was learned before makes sense. */
  resolvePieces(pieceCount: number): Bitfield {
    this.pieces ??= this.#resolveOurs(pieceCount);
    return this.pieces;
  }

  #resolveOurs(pieceCount: number): Bitfield {
    if (this.#v1 === undefined) return this.#resolve(pieceCount);
    this.#v1.theirs = this.#resolve(this.#v1.map.v1Count);
    return this.#v1.map.coveredBy(this.#v1.theirs);
  }

  #resolve(pieceCount: number): Bitfield {
    const { all, bits, singles } = this.#early;
    this.#early = { all: false, bits: undefined, singles: [] };
    if (all) return Bitfield.full(pieceCount);
    const pieces = bits === undefined ? new Bitfield(pieceCount) : Bitfield.parse(pieceCount, bits);
    if (pieces === undefined) throw this.#misfit();
    for (const piece of singles) {
      if (piece >= pieceCount) throw this.#misfit();
      pieces.add(piece);
    }
    return pieces;
  }

  #misfit(): PeerError {
    return new PeerError('PEER_PROTOCOL', `${this.address} names pieces that the image has not`);
  }

  /** Ends the connection. The listener is told once. */
  close(error?: Error): void {
    if (this.#closed) return;
    this.flush();
    this.#lane.post({ type: 'drop', link: this.link });
    this.#ended(error);
  }

  #ended(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#onClosed();
    this.listener?.onClose(this, error);
    this.onEnd?.(error);
  }
}

/** Ends a connection that is silent, and keeps one alive on which nothing was sent (BEP 3). */
export function tendPeer(peer: Peer, nowMs: number): void {
  if (nowMs - peer.lastReceivedMs > silenceMs) {
    peer.close(new PeerError('PEER_TIMEOUT', `${peer.address} is silent`));
  } else if (nowMs - peer.lastSentMs > keepAliveMs) {
    peer.send({ type: 'keepAlive' });
  }
}
const closedBy = ({ code, message }: Failure): PeerError =>
  new PeerError('PEER_CLOSED', message, { evidence: { code } });
