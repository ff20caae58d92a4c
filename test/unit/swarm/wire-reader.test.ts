import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { encodeHandshake, type Handshake } from '../../../src/swarm/handshake.ts';
import { encodeMessage, messageId, type Message } from '../../../src/swarm/message.ts';
import { MessageReader } from '../../tools/message-reader.ts';
import { anyMessage } from './any-message.ts';

const handshake = encodeHandshake({ infoHash: Buffer.alloc(20, 1), peerId: Buffer.alloc(20, 2) });

/** A reader that keeps what it delivers, copied as a sink must. */
function keepingReader(maxMessageBytes = 1 << 20) {
  const handshakes: Handshake[] = [];
  const messages: string[] = [];
  const sink = {
    onHandshake: (read: Handshake) => void handshakes.push(read),
    onMessage: (message: Message) => void messages.push(encodeMessage(message).toString('hex')),
  };
  return { reader: new MessageReader(sink, { maxMessageBytes }), handshakes, messages };
}

test('however the bytes are cut, the same messages come out', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(anyMessage, { maxLength: 12 }), cuts, (messages, sizes) => {
      const { reader, handshakes, messages: read } = keepingReader();
      const stream = Buffer.concat([handshake, ...messages.map(encodeMessage)]);
      for (let at = 0, cut = 0; at < stream.length; cut++) {
        const size = sizes[cut % sizes.length] ?? 1;
        // A buffer of its own, overwritten after the call: what is kept must have been copied.
        const chunk = Buffer.from(stream.subarray(at, at + size));
        reader.push(chunk);
        chunk.fill(0xaa);
        at += size;
      }
      expect(handshakes).toHaveLength(1);
      expect(read).toEqual(messages.map((message) => encodeMessage(message).toString('hex')));
    }),
    { numRuns: 300 },
  );
});

test('one byte at a time is enough', () => {
  const { reader, messages } = keepingReader();
  const have = encodeMessage({ type: 'have', piece: 3 });
  for (const byte of Buffer.concat([handshake, have, have])) reader.push(Buffer.of(byte));
  expect(messages).toEqual([have.toString('hex'), have.toString('hex')]);
});

test('a message that is too long is refused by its length, before its bytes come', () => {
  for (const length of [1_001, 0x7fff_ffff, 0xffff_ffff]) {
    const { reader } = keepingReader(1_000);
    reader.push(handshake);
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(length);
    expect(() => {
      for (const byte of [...prefix, messageId.bitfield]) reader.push(Buffer.of(byte));
    }).toThrow(PeerError);
  }
});

test('a block that is too long, or empty, is refused by its header', () => {
  for (const length of [9, 9 + (1 << 18) + 1, 0xffff_ffff]) {
    const { reader } = keepingReader();
    reader.push(handshake);
    const header = Buffer.alloc(13);
    header.writeUInt32BE(length);
    header[4] = messageId.piece;
    expect(() => {
      reader.push(header);
    }).toThrow(PeerError);
  }
});

test('a message of just the length allowed is read', () => {
  const { reader, messages } = keepingReader(101);
  const data = encodeMessage({ type: 'bitfield', bits: Buffer.alloc(100) });
  reader.push(Buffer.concat([handshake, data]));
  expect(messages).toHaveLength(1);
});

test('a malformed message is refused', () => {
  const { reader } = keepingReader();
  reader.push(handshake);
  expect(() => {
    reader.push(Buffer.from([0, 0, 0, 2, 4, 0]));
  }).toThrow('malformed message 4');
});

test('who does not begin with a handshake is refused', () => {
  const { reader } = keepingReader();
  expect(() => {
    reader.push(Buffer.from('GET / HTTP/1.1\r\n'.repeat(10)));
  }).toThrow(PeerError);
});

test('a closed reader delivers nothing, also when it is closed by what it delivers', () => {
  const messages: string[] = [];
  const reader: MessageReader = new MessageReader(
    {
      onHandshake: () => undefined,
      onMessage: ({ type }) => {
        messages.push(type);
        reader.close();
      },
    },
    { maxMessageBytes: 1_000 },
  );
  const two = Buffer.concat([encodeMessage({ type: 'choke' }), encodeMessage({ type: 'unchoke' })]);
  reader.push(Buffer.concat([handshake, two.subarray(0, 3)]));
  reader.push(two.subarray(3));
  reader.push(two);
  expect(messages).toEqual(['choke']);
});
