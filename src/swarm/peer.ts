import type { Socket } from 'node:net';
import { PeerError } from '../errors.ts';
import { Bitfield } from '../policy/index.ts';
import type { ExtensionHandshake } from './extension.ts';
import { encodeHandshake, type Handshake } from './handshake.ts';
import type { PieceReader } from './image-reader.ts';
import { encodeMessage, type BlockRange, type Message } from './message.ts';
import { MessageReader } from './message-reader.ts';
import type { TokenBucket } from './token-bucket.ts';
import { requestQueueLimit, UploadQueue } from './upload-queue.ts';

/** What a swarm does with a connection. */
export interface PeerListener {
  onMessage(peer: Peer, message: Message): void;
  onClose(peer: Peer, error: Error | undefined): void;
}

export interface PeerComponents {
  readonly socket: Socket;
  readonly uploadLimit: TokenBucket;
  readonly downloadLimit: TokenBucket;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

export interface PeerInit {
  /** host:port, for people. */
  readonly address: string;
  /** Whether we opened the connection. */
  readonly outgoing: boolean;
  readonly onHandshake: (peer: Peer, handshake: Handshake) => void;
}

/** What is known of a peer's pieces before it is known how many there are. */
type EarlyPieces = { all: boolean; bits: Uint8Array | undefined; singles: number[] };

const defaultMaxMessageBytes = 1 << 20;
const maxEarlyPieces = 100_000;

/**
 * One connection: its bytes, its state in the protocol, and what each side has. What to ask for is
 * decided by the swarm.
 */
export class Peer {
  readonly address: string;
  readonly outgoing: boolean;
  handshake: Handshake | undefined;
  extension: ExtensionHandshake | undefined;
  listener: PeerListener | undefined;
  /** It knows merkle trees and hash requests (BEP 52). */
  speaksV2 = false;
  /** They do not answer our requests at the moment. */
  chokedByThem = true;
  interestedInThem = false;
  /** The pieces they have, once the number of pieces is known. */
  pieces: Bitfield | undefined;
  readonly uploads: UploadQueue;
  /** Hash requests of theirs that are being answered. */
  hashRequests = 0;
  receivedBytes = 0;
  sentBytes = 0;
  lastReceivedMs: number;
  lastSentMs: number;
  readonly #socket: Socket;
  readonly #reader: MessageReader;
  readonly #now: () => number;
  readonly #downloadLimit: TokenBucket;
  #early: EarlyPieces = { all: false, bits: undefined, singles: [] };
  #resumeTimer: NodeJS.Timeout | undefined;
  #gathering = false;
  #closed = false;

  constructor(components: PeerComponents, init: PeerInit) {
    this.address = init.address;
    this.outgoing = init.outgoing;
    this.#socket = components.socket;
    this.#now = components.now;
    this.#downloadLimit = components.downloadLimit;
    this.lastReceivedMs = this.lastSentMs = components.now();
    this.uploads = new UploadQueue(
      { socket: components.socket, bucket: components.uploadLimit },
      {
        onSent: (bytes) => {
          this.sentBytes += bytes;
          this.lastSentMs = this.#now();
        },
        onError: (error) => {
          this.close(error as Error);
        },
      },
    );
    this.#reader = new MessageReader(
      {
        onHandshake: (handshake) => {
          this.handshake = handshake;
          init.onHandshake(this, handshake);
        },
        onMessage: (message) => this.listener?.onMessage(this, message),
      },
      { maxMessageBytes: defaultMaxMessageBytes },
    );
    this.#listen();
  }

  #listen(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    this.#socket.on('error', (cause) => {
      this.close(
        new PeerError('PEER_CLOSED', `the connection to ${this.address} failed`, { cause }),
      );
    });
    this.#socket.on('close', () => {
      this.close();
    });
  }

  #receive(chunk: Buffer): void {
    this.lastReceivedMs = this.#now();
    const waitMs = this.#downloadLimit.take(chunk.length);
    if (waitMs > 0) this.#pauseReading(waitMs);
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.close(error as Error);
    }
  }

  #pauseReading(ms: number): void {
    this.#socket.pause();
    clearTimeout(this.#resumeTimer);
    this.#resumeTimer = setTimeout(() => this.#socket.resume(), ms);
  }

  /** The name by which this peer is banned: the id that it chose. */
  get id(): string {
    return this.handshake?.peerId.toString('hex') ?? this.address;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What waits to be sent because they do not read. */
  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  /** host:port where the peer accepts connections, as far as it is known. */
  get listenAddress(): string {
    const port = this.extension?.listenPort;
    if (this.outgoing || port === undefined) return this.address;
    return this.address.replace(/:\d+$/, `:${port}`);
  }

  sendHandshake(infoHash: Buffer, peerId: Buffer): void {
    this.#socket.write(encodeHandshake({ infoHash, peerId }));
  }

  send(message: Message): void {
    if (this.#closed) return;
    this.lastSentMs = this.#now();
    this.#gather();
    this.#socket.write(encodeMessage(message));
  }

  /** What is sent in one go of the event loop leaves in one system call. */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#gathering = false;
      this.#socket.uncork();
    });
  }

  /** Queues an answer. @throws PeerError when they flood us with requests */
  answer(range: BlockRange, reader: PieceReader): void {
    if (this.uploads.length >= requestQueueLimit) {
      throw new PeerError('PEER_PROTOCOL', `${this.address} sent more requests than it may`);
    }
    this.uploads.push(range, reader);
  }

  /**
   * Notes what a `bitfield`, `have`, `haveAll` or `haveNone` says.
   * @returns the piece that is new, for a `have`
   * @throws PeerError PEER_PROTOCOL when it does not fit the image
   */
  learnPieces(message: Message): number | undefined {
    if (message.type === 'have') return this.#learnPiece(message.piece);
    const early: EarlyPieces = { all: message.type === 'haveAll', bits: undefined, singles: [] };
    if (message.type === 'bitfield') early.bits = Buffer.from(message.bits);
    this.#early = early;
    if (this.pieces !== undefined) this.pieces = this.#resolve(this.pieces.length);
    return undefined;
  }

  #learnPiece(piece: number): number | undefined {
    if (this.pieces === undefined) {
      if (this.#early.singles.length >= maxEarlyPieces) throw this.#misfit();
      this.#early.singles.push(piece);
      return undefined;
    }
    if (piece >= this.pieces.length) throw this.#misfit();
    return this.pieces.add(piece) ? piece : undefined;
  }

  /** Tells how many pieces there are, so that what was learned before makes sense. */
  resolvePieces(pieceCount: number): Bitfield {
    this.#reader.maxMessageBytes = Math.max(defaultMaxMessageBytes, Math.ceil(pieceCount / 8) + 1);
    this.pieces ??= this.#resolve(pieceCount);
    return this.pieces;
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
    this.#closed = true;
    clearTimeout(this.#resumeTimer);
    this.#reader.close();
    this.uploads.close();
    this.#socket.destroy();
    this.listener?.onClose(this, error);
  }
}
