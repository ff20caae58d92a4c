import fc from 'fast-check';
import type { BlockRange, HashRange, Message } from '../../../src/swarm/message.ts';

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (maxLength: number, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const blockRange: fc.Arbitrary<BlockRange> = fc.record({
  piece: uint32,
  beginBytes: uint32,
  lengthBytes: uint32,
});
const hashRange: fc.Arbitrary<HashRange> = fc.record({
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array)),
  baseLayer: uint32,
  index: uint32,
  length: uint32,
  proofLayers: uint32,
});
const types = <T extends string>(...all: T[]) => fc.constantFrom(...all);

/** Any message that a peer may send. */
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    type: types('keepAlive', 'choke', 'unchoke', 'interested', 'notInterested', 'haveAll'),
  }),
  fc.record({ type: types('haveNone') }),
  fc.record({ type: types('have', 'suggestPiece', 'allowedFast'), piece: uint32 }),
  fc.record({ type: types('bitfield'), bits: bytes(50) }),
  fc.record({ type: types('request', 'cancel', 'rejectRequest'), range: blockRange }),
  fc.record({ type: types('piece'), piece: uint32, beginBytes: uint32, data: bytes(200, 1) }),
  fc.record({ type: types('extended'), id: fc.nat(255), payload: bytes(100) }),
  fc.record({ type: types('hashRequest', 'hashReject'), range: hashRange }),
  fc.record({
    type: types('hashes'),
    range: hashRange,
    hashes: fc.nat(5).map((count) => Buffer.alloc(count * 32, count)),
  }),
  fc.record({ type: types('unknown'), id: fc.integer({ min: 24, max: 255 }) }),
);
