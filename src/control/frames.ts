import { PeerError } from '../errors.ts';

/** A frame is its length in 4 bytes, big-endian, and as many bytes of JSON; a session's heartbeat is an empty one. */
const headerBytes = 4;

/** One message as the bytes that are sent, header included. */
export function encodeFrame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, headerBytes);
  return frame;
}

/** The heartbeat. */
export const emptyFrame: Buffer = Buffer.alloc(headerBytes);

/** Cuts what arrives into frames, however it was split. */
export class FrameReader {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;
  /** Of the frame that is arriving; undefined until its header is here. */
  #bodyBytes: number | undefined;

  /** @param maxBytes the longest body that is taken */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * @returns the bodies that are whole now
   * @throws PeerError PEER_PROTOCOL when one is announced that is longer than may be
   */
  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#parts.push(bytes);
    this.#heldBytes += bytes.length;
    for (;;) {
      const needed = headerBytes + (this.#bodyBytes ?? 0);
      if (this.#heldBytes < needed) return;
      const held = Buffer.concat(this.#parts, this.#heldBytes);
      if (this.#bodyBytes === undefined) {
        this.#bodyBytes = this.#checked(held.readUInt32BE(0));
        this.#parts = [held];
        continue;
      }
      this.#parts = [held.subarray(needed)];
      this.#heldBytes -= needed;
      this.#bodyBytes = undefined;
      yield held.subarray(headerBytes, needed);
    }
  }

  #checked(bodyBytes: number): number {
    if (bodyBytes <= this.#maxBytes) return bodyBytes;
    throw new PeerError(
      'PEER_PROTOCOL',
      `the peer announces a message of ${bodyBytes} bytes; ${this.#maxBytes} are the most`,
      { evidence: { expected: this.#maxBytes, actual: bodyBytes } },
    );
  }
}

/**
 * The JSON of a frame.
 * @throws PeerError PEER_PROTOCOL when it is none
 */
export function decodeFrame(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch (cause) {
    throw new PeerError('PEER_PROTOCOL', 'the peer sent a message that is not JSON', { cause });
  }
}
