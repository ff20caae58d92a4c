import { PeerError } from '../errors.ts';
import { parseInfo, sha256, type ImageInfo } from '../image/index.ts';
import { encodeMetadataMessage, metadataPieceBytes, type MetadataMessage } from './extension.ts';
import type { Peer } from './peer.ts';

/** One peer is asked for all of it, so that a wrong dictionary has one author. */
interface Attempt {
  readonly pieces: (Buffer | undefined)[];
  readonly totalBytes: number;
  missing: number;
  readonly begunMs: number;
  lastAnswerMs: number;
}

/** Requests under way at once, to one peer. */
const window = 16;
/** A peer that offered the dictionary and sends none of it for so long is given up. */
const answerTimeoutMs = 10_000;
const askAgainMs = 5_000;
/** After so long another peer is asked as well. */
const slowMs = 5_000;
/** Each may hold an info dictionary in memory. */
const maxAttempts = 6;

/**
 * Gets the info dictionary from peers (BEP 9). It is believed when its SHA-256 is the info-hash
 * that was asked for, and its size what was signed, if that is known.
 */
export class MetadataFetch {
  readonly #infoHash: Buffer;
  readonly #expectedBytes: number | undefined;
  readonly #onDone: (info: ImageInfo) => void;
  readonly #now: () => number;
  readonly #attempts = new Map<Peer, Attempt>();
  /** Who rejected a request is not asked again before this, so that others get their turn. */
  readonly #notBeforeMs = new Map<Peer, number>();

  constructor(
    components: { now: () => number },
    init: {
      infoHash: Buffer;
      expectedBytes: number | undefined;
      onDone: (info: ImageInfo) => void;
    },
  ) {
    this.#now = components.now;
    this.#infoHash = init.infoHash;
    this.#expectedBytes = init.expectedBytes;
    this.#onDone = init.onDone;
  }

  /**
   * Asks this peer, when it says that it has the dictionary. Two peers are asked at a
   * time, and more where those are slow.
   */
  ask(peer: Peer): void {
    const { metadataId, metadataBytes } = peer.extension ?? {};
    if (!metadataId || !metadataBytes || this.#attempts.has(peer)) return;
    if (this.#now() < (this.#notBeforeMs.get(peer) ?? 0) || !this.#hasRoom()) return;
    if (this.#expectedBytes !== undefined && metadataBytes !== this.#expectedBytes) {
      throw new PeerError(
        'PEER_BAD_METADATA',
        `${peer.address} offers an info dictionary of ${metadataBytes} bytes, signed are ${this.#expectedBytes}`,
      );
    }
    const count = Math.ceil(metadataBytes / metadataPieceBytes);
    const pieces = Array.from({ length: count }, () => undefined);
    this.#attempts.set(peer, {
      pieces,
      totalBytes: metadataBytes,
      missing: count,
      begunMs: this.#now(),
      lastAnswerMs: this.#now(),
    });
    for (let piece = 0; piece < Math.min(window, count); piece++) this.#request(peer, piece);
  }

  /** Who takes long keeps no other from being asked, up to a bound. */
  #hasRoom(): boolean {
    const all = [...this.#attempts.values()];
    const quick = all.filter(({ begunMs }) => this.#now() - begunMs <= slowMs);
    return quick.length < 2 && all.length < maxAttempts;
  }

  #request(peer: Peer, piece: number): void {
    const payload = encodeMetadataMessage({ type: 'request', piece });
    peer.send({ type: 'extended', id: peer.extension?.metadataId ?? 0, payload });
  }

  forget(peer: Peer): void {
    this.#attempts.delete(peer);
    this.#notBeforeMs.delete(peer);
  }

  /** Gives up peers that stall. Called about once a second. */
  tick(): void {
    for (const [peer, { lastAnswerMs }] of this.#attempts) {
      if (this.#now() - lastAnswerMs <= answerTimeoutMs) continue;
      peer.close(new PeerError('PEER_TIMEOUT', `${peer.address} sends no metadata`));
    }
  }

  /** @throws PeerError PEER_BAD_METADATA when the peer's dictionary is not the one asked for */
  onMessage(peer: Peer, message: MetadataMessage): void {
    const attempt = this.#attempts.get(peer);
    if (attempt === undefined) return;
    if (message.type === 'reject') {
      this.#attempts.delete(peer);
      this.#notBeforeMs.set(peer, this.#now() + askAgainMs);
    } else if (message.type === 'data') {
      this.#onData(peer, attempt, message.piece, message.data);
    }
  }

  #onData(peer: Peer, attempt: Attempt, piece: number, data: Uint8Array): void {
    const { pieces, totalBytes } = attempt;
    const expected = Math.min(metadataPieceBytes, totalBytes - piece * metadataPieceBytes);
    if (piece >= pieces.length || data.length !== expected || pieces[piece] !== undefined) {
      throw new PeerError('PEER_BAD_METADATA', `${peer.address} sent metadata of a wrong size`);
    }
    pieces[piece] = Buffer.from(data);
    attempt.missing -= 1;
    attempt.lastAnswerMs = this.#now();
    if (attempt.missing > 0) {
      if (piece + window < pieces.length) this.#request(peer, piece + window);
      return;
    }
    this.#attempts.delete(peer);
    const encoded = Buffer.concat(pieces.map((bytes) => bytes ?? Buffer.alloc(0)));
    if (!sha256(encoded).equals(this.#infoHash)) {
      throw new PeerError(
        'PEER_BAD_METADATA',
        `${peer.address} sent an info dictionary that is not the one asked for`,
      );
    }
    this.#onDone(parseInfo(encoded));
  }
}
