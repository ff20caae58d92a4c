import { PeerError } from '../errors.ts';

/** The fixed-size opening of a connection (BEP 3). */
export interface Handshake {
  /** 20 bytes: the v2 info-hash truncated (BEP 52), or a v1 info-hash. */
  readonly infoHash: Buffer;
  /** 20 bytes that the peer chose for itself. */
  readonly peerId: Buffer;
  readonly fastExtension: boolean;
  readonly extensionProtocol: boolean;
  readonly v2: boolean;
}

/** A peer id of our own (BEP 20), from numbers from 0 to below 1. */
export const makePeerId = (random: () => number): Buffer =>
  Buffer.concat([
    Buffer.from('-SG0100-', 'latin1'),
    Buffer.from(Array.from({ length: 12 }, () => Math.floor(random() * 256))),
  ]);

export const handshakeBytes = 68;
const protocol = Buffer.from('\x13BitTorrent protocol', 'latin1');

/** Reserved bits: extension protocol (BEP 10), fast extension (BEP 6), v2 (BEP 52). */
const reserved = {
  extensionProtocol: { byte: 5, bit: 0x10 },
  fastExtension: { byte: 7, bit: 0x04 },
  v2: { byte: 7, bit: 0x10 },
} as const;

/** The 68 bytes that we open with; we speak all three extensions. */
export function encodeHandshake(init: Pick<Handshake, 'infoHash' | 'peerId'>): Buffer {
  const flags = Buffer.alloc(8);
  for (const { byte, bit } of Object.values(reserved)) flags[byte] = (flags[byte] ?? 0) | bit;
  return Buffer.concat([protocol, flags, init.infoHash.subarray(0, 20), init.peerId]);
}

/**
 * Reads a handshake of 68 bytes.
 * @throws PeerError PEER_PROTOCOL when the other side does not speak BitTorrent.
 */
export function parseHandshake(bytes: Buffer): Handshake {
  if (bytes.length !== handshakeBytes || !bytes.subarray(0, protocol.length).equals(protocol)) {
    throw new PeerError('PEER_PROTOCOL', 'the peer does not speak the BitTorrent protocol');
  }
  const has = ({ byte, bit }: { byte: number; bit: number }) =>
    ((bytes[protocol.length + byte] ?? 0) & bit) !== 0;
  return {
    infoHash: Buffer.from(bytes.subarray(28, 48)),
    peerId: Buffer.from(bytes.subarray(48, 68)),
    fastExtension: has(reserved.fastExtension),
    extensionProtocol: has(reserved.extensionProtocol),
    v2: has(reserved.v2),
  };
}
