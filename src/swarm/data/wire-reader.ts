import { PeerError } from '../../errors.ts';
import { handshakeBytes } from '../handshake.ts';
import { messageId } from '../message.ts';

/** Takes what a connection brings. Byte arrays are views that hold only during the call. */
export interface WireSink {
  onHandshake(bytes: Buffer): void;
  /** Any message but a block, without its length prefix; of length 0: a keep-alive. */
  onMessage(body: Buffer): void;
  /** A block (BEP 3, `piece`) begins. */
  onBlock(piece: number, beginBytes: number, lengthBytes: number): void;
  /** The next bytes of that block. */
  onBlockBytes(bytes: Buffer): void;
}

const blockHeaderBytes = 13;
/** No block is longer, whatever was asked for. */
export const maxBlockBytes = 1 << 18;

/**
 * Cuts the bytes of a connection into a handshake, messages, and the payload of blocks, which is
 * handed on as it comes and never gathered here. Memory is bounded by the largest message allowed.
 */
export class WireReader {
  /** The largest message allowed, blocks apart; a longer one ends the connection. */
  maxMessageBytes: number;
  readonly #sink: WireSink;
  #handshakeDone = false;
  #closed = false;
  /** What is still to come of a block. */
  #blockLeft = 0;
  /** A message, or the header of a block, of which only a part has come. */
  #partial = Buffer.alloc(0);
  #filled = 0;

  constructor(sink: WireSink, init: { maxMessageBytes: number }) {
    this.#sink = sink;
    this.maxMessageBytes = init.maxMessageBytes;
  }

  /** Nothing is delivered any more. */
  close(): void {
    this.#closed = true;
    this.#partial = Buffer.alloc(0);
  }

  /**
   * Takes what the connection brought.
   * @throws PeerError PEER_PROTOCOL for an oversize or malformed message
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#closed) {
      if (this.#blockLeft > 0) {
        const count = Math.min(this.#blockLeft, chunk.length - at);
        this.#blockLeft -= count;
        this.#sink.onBlockBytes(chunk.subarray(at, at + count));
        at += count;
      } else if (this.#filled > 0) {
        at += this.#gather(chunk, at);
      } else {
        at += this.#take(chunk.subarray(at));
      }
    }
  }

  /** Delivers the message at the start of `bytes`, or keeps its beginning. @returns bytes used */
  #take(bytes: Buffer): number {
    const need = this.#needed(bytes);
    if (bytes.length >= need) {
      this.#deliver(bytes.subarray(0, need));
      return need;
    }
    if (this.#partial.length < need) this.#partial = Buffer.allocUnsafeSlow(Math.max(need, 64));
    bytes.copy(this.#partial);
    this.#filled = bytes.length;
    return bytes.length;
  }

  /** Fills up what was begun. @returns bytes used */
  #gather(chunk: Buffer, at: number): number {
    const need = this.#needed(this.#partial.subarray(0, this.#filled));
    if (this.#partial.length < need) this.#grow(need);
    const count = Math.min(need - this.#filled, chunk.length - at);
    chunk.copy(this.#partial, this.#filled, at, at + count);
    this.#filled += count;
    const known = this.#partial.subarray(0, this.#filled);
    if (this.#needed(known) === this.#filled) {
      this.#filled = 0;
      this.#deliver(known);
    }
    return count;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(size);
    this.#partial.copy(larger, 0, 0, this.#filled);
    this.#partial = larger;
  }

  /** How long what starts here is, as far as these bytes tell; of a block only the header. */
  #needed(bytes: Buffer): number {
    if (!this.#handshakeDone) return handshakeBytes;
    if (bytes.length < 4) return 4;
    const length = bytes.readUInt32BE(0);
    if (length === 0) return 4;
    const isBlock = bytes[4] === messageId.piece;
    const allowed =
      bytes.length < 5 || isBlock
        ? Math.max(this.maxMessageBytes, maxBlockBytes + 9)
        : this.maxMessageBytes;
    if (length > allowed) {
      throw new PeerError('PEER_PROTOCOL', `the peer sent a message of ${length} bytes`, {
        evidence: { length, allowed },
      });
    }
    if (bytes.length < 5) return 5;
    return isBlock ? blockHeaderBytes : 4 + length;
  }

  #deliver(bytes: Buffer): void {
    if (!this.#handshakeDone) {
      this.#handshakeDone = true;
      this.#sink.onHandshake(bytes);
      return;
    }
    if (bytes.length < 5 || bytes[4] !== messageId.piece) {
      this.#sink.onMessage(bytes.subarray(4));
      return;
    }
    const length = bytes.readUInt32BE(0) - 9;
    if (length <= 0 || length > maxBlockBytes) {
      throw new PeerError('PEER_PROTOCOL', `the peer sent a block of ${length} bytes`);
    }
    this.#blockLeft = length;
    this.#sink.onBlock(bytes.readUInt32BE(5), bytes.readUInt32BE(9), length);
  }
}
