import type { Socket } from 'node:net';
import { PeerError } from '../../errors.ts';
import {
  encodeMessage,
  messageId,
  parseMessage,
  requestQueueLimit,
  type BlockRange,
} from '../message.ts';
import { parseHandshake } from '../handshake.ts';
import type { SealedPeer } from './admission.ts';
import type { BlockSource } from './block-source.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { DataLink } from './data-link.ts';
import type { DataEvent, Failure, PeerAbilities, Tally } from './data-protocol.ts';
import { failureOf } from './failure.ts';
import { FetchQueue } from './fetch-queue.ts';
import type { OpenImage } from './open-image.ts';
import type { PieceSink } from './piece-sink.ts';
import type { PieceTask } from './piece-task.ts';
import type { SharedRate } from './shared-rate.ts';
import { UploadQueue } from './upload-queue.ts';
import { V1Wire } from './v1-wire.ts';
import { maxBlockBytes, WireReader, type WireSink } from './wire-reader.ts';

export interface ConnectionComponents {
  readonly pool: BufferPool;
  readonly source: BlockSource;
  readonly sink: PieceSink;
  readonly uploadRate: SharedRate;
  readonly downloadRate: SharedRate;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  readonly report: (event: DataEvent) => void;
  readonly onClose: (connection: DataLink) => void;
}

const maxMessageBytes = 1 << 20;
/** How much may wait to be sent to a peer that asks and does not read. */
const maxBacklogBytes = 16 << 20;
/** Rejects that may wait to be sent: each is small, and costs ten times its bytes while it waits. */
const maxUnsentRejects = 2 * requestQueueLimit;
/** How much a peer may say to the main thread before that has heard it. */
const maxUnheardBytes = 1 << 20;

/** Messages that only this thread needs to know of. */
const ownMessages: ReadonlySet<number> = new Set([
  messageId.request,
  messageId.cancel,
  messageId.rejectRequest,
]);

/** One connection of a data thread: what comes in is verified and written, what is asked for sent. */
export class Connection implements DataLink, WireSink {
  readonly link: number;
  readonly peer: SealedPeer | undefined;
  /** The batch in which the main thread was told something last. */
  lastBatch = 0;
  readonly #socket: Socket;
  readonly #components: ConnectionComponents;
  readonly #reader: WireReader;
  readonly #fetch: FetchQueue;
  /** Between us and a peer that has the image as a v1-only torrent. */
  #v1: V1Wire | undefined;
  readonly #upload: UploadQueue;
  #image: OpenImage | undefined;
  #knowsFast = false;
  #unheardBytes = 0;
  #unsentRejects = 0;
  #pauseTimer: NodeJS.Timeout | undefined;
  #toldBytes = -1;
  #failure: Failure | undefined;
  #closed = false;

  constructor(
    components: ConnectionComponents,
    init: { link: number; socket: Socket; peer: SealedPeer | undefined },
  ) {
    this.link = init.link;
    this.#socket = init.socket;
    this.peer = init.peer;
    this.#components = components;
    this.#reader = new WireReader(this, { maxMessageBytes });
    this.#fetch = new FetchQueue(components, {
      send: (bytes) => this.#socket.write(this.#v1?.translate(bytes) ?? bytes),
      onComplete: (task) => {
        this.#accept(task);
      },
      onLow: () => {
        this.#report({ type: 'low', link: this.link, tally: this.tally });
      },
      onReturned: (pieces, why) => {
        this.#report({ type: 'returned', link: this.link, pieces, why });
      },
    });
    this.#upload = new UploadQueue(
      { socket: init.socket, source: components.source, rate: components.uploadRate },
      {
        onError: (error) => {
          this.close(error);
        },
      },
    );
    init.socket.setNoDelay(true);
    init.socket.on('error', (error) => {
      this.close(new PeerError('PEER_CLOSED', `the connection failed: ${error.message}`));
    });
    init.socket.on('close', () => {
      this.close();
    });
  }

  #report(event: DataEvent): void {
    this.#components.report(event);
  }

  /** Takes what the socket brought; the bytes are not kept. */
  receive(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      this.#socket.cork();
      this.#reader.push(chunk);
    } catch (error) {
      this.close(error as Error);
      return;
    } finally {
      this.#socket.uncork();
    }
    const { downloadRate } = this.#components;
    const own = this.#image?.downloadRate.take(chunk.length) ?? 0;
    const waitMs = Math.max(own, downloadRate.take(chunk.length, this.#image?.share));
    if (waitMs > 0) this.#pause(waitMs);
  }

  #pause(ms: number): void {
    this.#socket.pause();
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = setTimeout(() => {
      this.#pauseTimer = undefined;
      this.#resume();
    }, ms);
  }

  #resume(): void {
    const mayRead = this.#unheardBytes <= maxUnheardBytes && this.#pauseTimer === undefined;
    if (mayRead && !this.#closed) this.#socket.resume();
  }

  /** What was waited for has another price, or none. */
  onLimitsChanged(): void {
    this.#upload.onLimitsChanged();
    if (this.#pauseTimer === undefined) return;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = undefined;
    this.#resume();
  }

  onHandshake(bytes: Buffer): void {
    this.#knowsFast = parseHandshake(bytes).fastExtension;
    this.#fetch.knowsCancel = this.#knowsFast;
    this.#report({
      type: 'handshake',
      link: this.link,
      bytes: Uint8Array.from(bytes),
      identity: this.peer?.peerId,
      claims: this.peer?.claims,
    });
  }

  onMessage(body: Buffer): void {
    const id = body[0];
    if (id !== undefined && ownMessages.has(id)) this.#onOwnMessage(body);
    else this.#forward(body, id);
  }

  #onOwnMessage(body: Buffer): void {
    const message = parseMessage(body);
    if (message === undefined) {
      throw new PeerError('PEER_PROTOCOL', `the peer sent a malformed message ${body[0]}`);
    }
    if (message.type === 'request') this.#onRequest(message.range);
    else if (message.type === 'cancel') {
      if (this.#upload.cancel(message.range)) this.#reject(message.range);
    } else if (message.type === 'rejectRequest') (this.#v1 ?? this.#fetch).onReject(message.range);
  }

  /** The main thread hears of it; who says more than that can hear is not read for a while. */
  #forward(body: Buffer, id: number | undefined): void {
    // A keep-alive says nothing that what the main thread is still to hear does not say too.
    if (id === undefined && this.#unheardBytes > 0) return;
    this.#report({ type: 'message', link: this.link, body: Uint8Array.from(body) });
    if (id === messageId.choke) this.#fetch.onChoke();
    else if (id === messageId.unchoke) this.#fetch.onUnchoke();
    // What a message costs beside its bytes counts too.
    this.#unheardBytes += body.length + 64;
    if (this.#unheardBytes > maxUnheardBytes) this.#socket.pause();
  }

  /** The main thread has worked through all that was said so far. */
  heard(): void {
    this.#unheardBytes = 0;
    this.#resume();
  }

  /** @throws PeerError PEER_PROTOCOL when the range is no block, or too many wait */
  #onRequest(range: BlockRange): void {
    const image = this.#image;
    // By a v1-only torrent we only fetch.
    if (this.#v1 !== undefined || !image?.layout.has(range.piece)) {
      this.#reject(range);
      return;
    }
    const { beginBytes, lengthBytes } = range;
    // Beyond the end of a file a piece is zeros, and some ask for them: v1 clients, who know them
    // as files (BEP 47), and libtorrent 2.0 also of v2 images.
    const end = beginBytes + lengthBytes;
    const { pieceSizeBytes } = image.layout.data;
    if (lengthBytes === 0 || lengthBytes > maxBlockBytes || end > pieceSizeBytes) {
      throw new PeerError('PEER_PROTOCOL', 'the peer asked for a range that is no block', {
        evidence: { ...range },
      });
    }
    this.#upload.push(image, range);
  }

  /** @throws PeerError PEER_PROTOCOL when the peer asks and asks and takes no answers */
  #reject(range: BlockRange): void {
    if (!this.#knowsFast) return;
    if (this.#unsentRejects >= maxUnsentRejects) {
      throw new PeerError('PEER_PROTOCOL', 'the peer asks for more than it reads');
    }
    this.#unsentRejects += 1;
    this.#socket.write(encodeMessage({ type: 'rejectRequest', range }), () => {
      this.#unsentRejects -= 1;
    });
  }

  onBlock(piece: number, beginBytes: number, lengthBytes: number): void {
    (this.#v1 ?? this.#fetch).onBlock(piece, beginBytes, lengthBytes);
  }

  onBlockBytes(bytes: Buffer): void {
    (this.#v1 ?? this.#fetch).onBlockBytes(bytes);
  }

  #accept(task: PieceTask): void {
    const image = this.#image;
    const { link } = this;
    if (image === undefined) return;
    const { piece } = task;
    const isTrue = this.#components.sink.accept(image, task, () => {
      this.#report({
        type: 'verified',
        link,
        image: image.key,
        pieces: [piece],
        tally: this.tally,
      });
    });
    if (!isTrue) this.#report({ type: 'untrue', link, piece });
  }

  get tally(): Tally {
    const { window, receivedBytes } = this.#fetch;
    return {
      receivedBytes,
      sentBytes: this.#upload.sentBytes,
      windowBytes: window.bytes,
      rateBytesPerSecond: window.rateBytesPerSecond,
    };
  }

  /** Tells the counters, if they have changed since. Called about once a second. */
  tellTally(): void {
    const told = this.#fetch.receivedBytes + this.#upload.sentBytes;
    if (told === this.#toldBytes) return;
    this.#toldBytes = told;
    this.#report({ type: 'tally', link: this.link, tally: this.tally });
  }

  /** @param v1PieceSizeBytes of a peer that has the image as a v1-only torrent */
  bind(image: OpenImage, v1PieceSizeBytes?: number): void {
    this.#image = image;
    if (v1PieceSizeBytes === undefined) return;
    this.#v1 = new V1Wire({ row: image.v1Row(v1PieceSizeBytes), sink: this.#fetch });
  }

  isOf(image: OpenImage): boolean {
    return this.#image === image;
  }

  setAbilities(abilities: PeerAbilities): void {
    const { maxRequestBytes, requestQueue, maxMessageBytes: messageBytes } = abilities;
    if (maxRequestBytes !== undefined) {
      this.#fetch.maxRequestBytes = Math.min(maxRequestBytes, maxBlockBytes);
    }
    if (requestQueue !== undefined) this.#fetch.peerQueue = Math.max(1, requestQueue);
    if (messageBytes !== undefined) {
      this.#reader.maxMessageBytes = Math.max(maxMessageBytes, messageBytes);
    }
  }

  want(pieces: readonly number[]): void {
    if (this.#image !== undefined && !this.#closed) this.#fetch.want(this.#image, pieces);
  }

  unwant(pieces: readonly number[]): void {
    this.#fetch.unwant(pieces);
  }

  /** Sends what the main thread has to say. */
  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > maxBacklogBytes) {
      this.close(new PeerError('PEER_PROTOCOL', 'the peer asks for more than it reads'));
    }
  }

  close(error?: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = error === undefined ? undefined : failureOf(error);
    clearTimeout(this.#pauseTimer);
    this.#reader.close();
    this.#upload.close();
    this.#fetch.close();
    this.#socket.destroy();
    this.#report({
      type: 'closed',
      link: this.link,
      tally: this.tally,
      failure: this.#failure,
    });
    this.#components.onClose(this);
  }
}
