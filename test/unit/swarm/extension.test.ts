import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { encodeBencode } from '../../../src/image/index.ts';
import {
  encodeExtensionHandshake,
  encodeMetadataMessage,
  parseExtensionHandshake,
  parseMetadataMessage,
  type MetadataMessage,
} from '../../../src/swarm/extension.ts';

test('an extension handshake is read as it was written', () => {
  const init = {
    metadataBytes: 1_000,
    maxRequestBytes: 262_144,
    injects: true,
    place: { zone: 'z1', rack: '' },
    slots: [2, undefined] as const,
    requestQueue: 250,
    listenPort: 6_881,
    client: 'Test 1',
  };
  expect(parseExtensionHandshake(encodeExtensionHandshake(init))).toEqual({
    ...init,
    metadataId: 3,
  });
});

test('what an extension handshake leaves out, or says wrongly, is not known', () => {
  const nothing = {
    metadataId: undefined,
    metadataBytes: undefined,
    requestQueue: undefined,
    maxRequestBytes: undefined,
    injects: undefined,
    place: undefined,
    slots: [undefined, undefined],
    listenPort: undefined,
    client: undefined,
  };
  const wrong = { m: [], metadata_size: -1, reqq: 'many', p: 65_536, v: 7 };
  expect(parseExtensionHandshake(Buffer.from('de'))).toEqual(nothing);
  expect(parseExtensionHandshake(encodeBencode(wrong))).toEqual(nothing);
  const huge = { metadata_size: 2 ** 52, m: { ut_metadata: 256 }, reqq: 2 ** 50 };
  expect(parseExtensionHandshake(encodeBencode(huge))).toEqual(nothing);
});

test('the name of a client is cut to what can be shown', () => {
  const { client } = parseExtensionHandshake(encodeBencode({ v: 'x'.repeat(10_000) }));
  expect(client).toHaveLength(100);
});

const anyMetadataMessage: fc.Arbitrary<MetadataMessage> = fc.oneof(
  fc.record({ type: fc.constantFrom('request' as const, 'reject' as const), piece: fc.nat(4_096) }),
  fc.record({
    type: fc.constant('data' as const),
    piece: fc.nat(4_096),
    totalBytes: fc.nat(64 << 20),
    data: fc.uint8Array({ maxLength: 60 }),
  }),
);

test('a metadata message is read as it was written, its data after it', () => {
  fc.assert(
    fc.property(anyMetadataMessage, (message) => {
      const read = parseMetadataMessage(new Uint8Array(encodeMetadataMessage(message)));
      expect(read).toEqual(message);
    }),
  );
});

test('metadata messages of kinds that nobody knows are passed over', () => {
  expect(parseMetadataMessage(encodeBencode({ msg_type: 9, piece: 0 }))).toBeUndefined();
});

test.each([
  ['no bencoding', 'garbage'],
  ['a list', 'le'],
  ['cut off', 'd1:a'],
  ['nested deep', 'l'.repeat(100)],
  ['of too many values', `l${'i0e'.repeat(2_000)}e`],
  ['without a piece', 'd8:msg_typei0ee'],
  ['of a piece below 0', 'd8:msg_typei0e5:piecei-1ee'],
  ['of a piece beyond any', 'd8:msg_typei0e5:piecei99999999ee'],
  ['empty', ''],
])('an extension message that is %s is refused', (_, text) => {
  const payload = Buffer.from(text, 'latin1');
  expect(() => parseMetadataMessage(payload)).toThrow(PeerError);
  if (!text.startsWith('d8')) {
    expect(() => parseExtensionHandshake(payload)).toThrow(PeerError);
  }
});

test('any bytes are an extension message or a fault of the peer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (payload) => {
      for (const parse of [parseExtensionHandshake, parseMetadataMessage]) {
        try {
          parse(payload);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerError);
        }
      }
    }),
    { numRuns: 500 },
  );
});
