import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeHandshake, parseHandshake } from '../../../src/swarm/handshake.ts';
import {
  encodeMessage,
  encodePieceHeaderInto,
  pieceHeaderBytes,
  parseMessage,
} from '../../../src/swarm/message.ts';
import { anyMessage } from './any-message.ts';

test('what is encoded is read again, with its length before it', () => {
  fc.assert(
    fc.property(anyMessage, (message) => {
      const encoded = encodeMessage(message);
      expect(encoded.readUInt32BE(0)).toBe(encoded.length - 4);
      expect(parseMessage(encoded.subarray(4))).toEqual(message);
    }),
    { numRuns: 500 },
  );
});

test('any bytes are a message or none, and what is read encodes to the same bytes', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.uint8Array({ maxLength: 90 }), (id, rest) => {
      const body = Buffer.from([id, ...rest]);
      const message = parseMessage(body);
      if (message === undefined || message.type === 'unknown') return;
      expect(encodeMessage(message).subarray(4).equals(body)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test('the messages have the numbers and forms of BEP 3, 6, 10 and 52', () => {
  const hex = (message: Parameters<typeof encodeMessage>[0]) =>
    encodeMessage(message).toString('hex');
  const range = { piece: 1, beginBytes: 2, lengthBytes: 3 };
  expect(hex({ type: 'keepAlive' })).toBe('00000000');
  expect(hex({ type: 'unchoke' })).toBe('0000000101');
  expect(hex({ type: 'have', piece: 258 })).toBe('000000050400000102');
  expect(hex({ type: 'request', range })).toBe('0000000d06000000010000000200000003');
  expect(hex({ type: 'rejectRequest', range })).toBe('0000000d10000000010000000200000003');
  expect(hex({ type: 'haveAll' })).toBe('000000010e');
  expect(hex({ type: 'extended', id: 3, payload: Buffer.from('de') })).toBe('0000000414036465');
  const root = Buffer.alloc(32, 0xab);
  const hashRange = { root, baseLayer: 1, index: 2, length: 4, proofLayers: 3 };
  expect(hex({ type: 'hashRequest', range: hashRange })).toBe(
    `0000003115${'ab'.repeat(32)}00000001000000020000000400000003`,
  );
});

test('the header of a block stands for the message without its data', () => {
  const data = Buffer.from('some data');
  const whole = encodeMessage({ type: 'piece', piece: 7, beginBytes: 16_384, data });
  const header = Buffer.alloc(pieceHeaderBytes);
  encodePieceHeaderInto(header, 0, 7, 16_384, data.length);
  expect(header).toHaveLength(pieceHeaderBytes);
  expect(Buffer.concat([header, data]).equals(whole)).toBe(true);
});

test.each([
  [[0, 0]],
  [[4, 0, 0, 0]],
  [[4, 0, 0, 0, 0, 0]],
  [[6, ...Buffer.alloc(11)]],
  [[7, ...Buffer.alloc(7)]],
  [[20]],
  [[21, ...Buffer.alloc(47)]],
  [[22, ...Buffer.alloc(47)]],
  [[22, ...Buffer.alloc(49)]],
])('a message of a length that it can not have is none: %j', (body) => {
  expect(parseMessage(Buffer.from(body))).toBeUndefined();
});

test('a handshake is read as it was written', () => {
  const [infoHash, peerId] = [Buffer.alloc(20, 1), Buffer.alloc(20, 2)];
  const encoded = encodeHandshake({ infoHash, peerId });
  expect(encoded.toString('latin1', 0, 20)).toBe('\x13BitTorrent protocol');
  expect(parseHandshake(encoded)).toEqual({
    ...{ infoHash, peerId, fastExtension: true, extensionProtocol: true, v2: true },
  });
});

test('what does not speak BitTorrent is refused', () => {
  const handshake = encodeHandshake({ infoHash: Buffer.alloc(20), peerId: Buffer.alloc(20) });
  handshake[5] = 0;
  expect(() => parseHandshake(handshake)).toThrow('does not speak');
  expect(() => parseHandshake(Buffer.alloc(67))).toThrow('does not speak');
});
