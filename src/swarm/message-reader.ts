import { PeerError } from '../errors.ts';
import { handshakeBytes, parseHandshake, type Handshake } from './handshake.ts';
import { parseMessage, type Message } from './message.ts';

export interface MessageSink {
  onHandshake(handshake: Handshake): void;
  /** Byte arrays in the message are views that hold only during the call. */
  onMessage(message: Message): void;
}

/**
 * Cuts the bytes of a connection into a handshake and messages. Memory is bounded by the largest
 * message allowed, whatever the peer sends.
 */
export class MessageReader {
  /** The largest message allowed; a longer one ends the connection. */
  maxMessageBytes: number;
  readonly #sink: MessageSink;
  #handshakeDone = false;
  #closed = false;
  /** A message of which only a part has come, and how much of it. */
  #partial = Buffer.alloc(0);
  #filled = 0;

  constructor(sink: MessageSink, init: { maxMessageBytes: number }) {
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
   * @throws PeerError PEER_PROTOCOL for an oversize or malformed message.
   */
  push(chunk: Buffer): void {
    let rest = chunk;
    if (this.#filled > 0) rest = this.#completePartial(chunk);
    while (!this.#closed && rest.length > 0) {
      const need = this.#needed(rest);
      if (need === undefined || rest.length < need) {
        this.#begin(rest, need);
        return;
      }
      this.#deliver(rest.subarray(0, need));
      rest = rest.subarray(need);
    }
  }

  /** How long the message is that starts here, prefix included; undefined when not known yet. */
  #needed(bytes: Buffer): number | undefined {
    if (!this.#handshakeDone) return handshakeBytes;
    if (bytes.length < 4) return undefined;
    const length = bytes.readUInt32BE(0);
    if (length > this.maxMessageBytes) {
      throw new PeerError('PEER_PROTOCOL', `the peer sent a message of ${length} bytes`, {
        evidence: { length, allowed: this.maxMessageBytes },
      });
    }
    return 4 + length;
  }

  #begin(bytes: Buffer, need: number | undefined): void {
    const size = need ?? 4;
    if (this.#partial.length < size) this.#partial = Buffer.allocUnsafeSlow(size);
    bytes.copy(this.#partial);
    this.#filled = bytes.length;
  }

  /** Fills up the message that was begun; returns what follows it. */
  #completePartial(chunk: Buffer): Buffer {
    let rest = chunk;
    while (this.#filled > 0 && rest.length > 0 && !this.#closed) {
      const need = this.#needed(this.#partial.subarray(0, this.#filled)) ?? 4;
      if (this.#partial.length < need) this.#grow(need);
      const count = Math.min(need - this.#filled, rest.length);
      rest.copy(this.#partial, this.#filled, 0, count);
      this.#filled += count;
      rest = rest.subarray(count);
      if (this.#filled < need) return rest;
      const known = this.#needed(this.#partial.subarray(0, this.#filled));
      if (known === undefined || known > this.#filled) continue;
      this.#filled = 0;
      this.#deliver(this.#partial.subarray(0, need));
    }
    return rest;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(size);
    this.#partial.copy(larger, 0, 0, this.#filled);
    this.#partial = larger;
  }

  #deliver(bytes: Buffer): void {
    if (!this.#handshakeDone) {
      this.#handshakeDone = true;
      this.#sink.onHandshake(parseHandshake(bytes));
      return;
    }
    const message = parseMessage(bytes.subarray(4));
    if (message === undefined) {
      throw new PeerError('PEER_PROTOCOL', `the peer sent a malformed message ${bytes[4]}`);
    }
    this.#sink.onMessage(message);
  }
}
