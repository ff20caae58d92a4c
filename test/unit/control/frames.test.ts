import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrame, emptyFrame, encodeFrame, FrameReader } from '../../../src/control/frames.ts';

test('frames come out as they went in, however they were cut', () => {
  const messages = fc.array(fc.option(fc.jsonValue(), { nil: undefined }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(40), { maxLength: 40 }), (sent, cuts) => {
      const frames = sent.map((value) => (value === undefined ? emptyFrame : encodeFrame(value)));
      const bytes = Buffer.concat(frames);
      const reader = new FrameReader(1 << 20);
      const read: Buffer[] = [];
      let from = 0;
      for (const length of [...cuts, bytes.length]) {
        read.push(...reader.push(bytes.subarray(from, from + length)));
        from += length;
      }
      const seen = read.map((body) => (body.length === 0 ? undefined : decodeFrame(body)));
      expect(JSON.stringify(seen)).toBe(JSON.stringify(sent));
    }),
  );
});

test('a frame that is announced longer than may be is refused before it arrives', () => {
  const reader = new FrameReader(10);
  expect(() => [...reader.push(Buffer.from([0, 0, 0, 11]))]).toThrow(
    expect.objectContaining({ code: 'PEER_PROTOCOL', evidence: { expected: 10, actual: 11 } }),
  );
});

test('what is not JSON, or not UTF-8, is refused', () => {
  for (const bytes of [Buffer.from('{'), Buffer.from([0x22, 0xff, 0x22])]) {
    expect(() => decodeFrame(bytes)).toThrow(expect.objectContaining({ code: 'PEER_PROTOCOL' }));
  }
});
