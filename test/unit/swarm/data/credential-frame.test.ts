import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerError } from '../../../../src/errors.ts';
import {
  CredentialFrameReader,
  encodeCredentialFrame,
} from '../../../../src/swarm/data/credential-frame.ts';

const credential = fc.stringMatching(/^[\w.-]{1,4096}$/);

/** What a reader makes of these bytes, cut at these places. */
function read(bytes: Buffer, cuts: readonly number[] = []): string | undefined {
  const reader = new CredentialFrameReader();
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  places.sort((a, b) => a - b);
  let said: string | undefined;
  for (const [index, place] of places.slice(1).entries()) {
    said = reader.push(bytes.subarray(places[index], place)) ?? said;
  }
  return said;
}

test('a credential comes out as it went in, however it is cut on its way', () => {
  fc.assert(
    fc.property(credential, fc.array(fc.nat(5_000), { maxLength: 8 }), (text, cuts) => {
      const frame = encodeCredentialFrame(text);
      // A cut at the end brings no bytes after it, which is as good as none.
      expect(read(frame, cuts)).toBe(text);
      expect(read(frame.subarray(0, -1), cuts)).toBeUndefined();
      expect(() => read(Buffer.concat([frame, Buffer.of(0)]), cuts)).toThrow('speaks before');
    }),
  );
});

test('whatever else comes is refused at its first wrong byte, or waits for more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
      fc.pre(bytes[0] !== 0x53);
      expect(() => read(Buffer.from(bytes))).toThrow(PeerError);
    }),
  );
  expect(read(Buffer.from('SGC'))).toBeUndefined();
  expect(() => read(Buffer.from('SGCX'))).toThrow('shows no credential');
  expect(() => read(Buffer.from('\x13BitTorrent protocol', 'latin1'))).toThrow('no credential');
  expect(() => read(Buffer.from('SGCR\x01\x10\x01', 'latin1'))).toThrow('of 4097 bytes');
  expect(() => read(Buffer.from('SGCR\x01\x00\x00', 'latin1'))).toThrow('of 0 bytes');
});
