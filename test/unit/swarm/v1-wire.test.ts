import { expect, test } from 'vitest';
import { makeImageLayout } from '../../../src/swarm/data/image-layout.ts';
import { V1Row } from '../../../src/swarm/data/v1-row.ts';
import { V1Wire } from '../../../src/swarm/data/v1-wire.ts';
import { encodeMessage, type BlockRange } from '../../../src/swarm/message.ts';

const block = 16 << 10;
const pieceSizeBytes = 2 * block;

/** A first file of 100 bytes, so that each block of the second one lies 100 bytes off. */
function wire() {
  const layout = makeImageLayout({
    pieceSizeBytes,
    pieceCount: 4,
    files: [
      { path: 'a', startBytes: 0, sizeBytes: 100 },
      { path: 'b', startBytes: pieceSizeBytes, sizeBytes: 5 * block },
    ],
  });
  const heard: string[] = [];
  const sink = {
    onBlock: (piece: number, begin: number, length: number) => {
      heard.push(`block ${piece} ${begin} ${length}`);
    },
    onBlockBytes: (bytes: Buffer) =>
      heard.push(`${bytes.length} of ${bytes[0]} to ${bytes.at(-1)}`),
    onReject: (range: BlockRange) => heard.push(`reject ${range.piece} ${range.beginBytes}`),
  };
  return { v1: new V1Wire({ row: new V1Row(layout, pieceSizeBytes), sink }), heard };
}

/** The second block of the second file's first piece: it ends 100 bytes behind a border. */
const across = { piece: 1, beginBytes: block, lengthBytes: block };
const head = { piece: 0, beginBytes: block + 100, lengthBytes: block - 100 };
const tail = { piece: 1, beginBytes: 0, lengthBytes: 100 };
const request = (range: BlockRange) => encodeMessage({ type: 'request', range });
const cancel = (range: BlockRange) => encodeMessage({ type: 'cancel', range });

function send(v1: V1Wire, { piece, beginBytes, lengthBytes }: BlockRange, value: number): void {
  v1.onBlock(piece, beginBytes, lengthBytes);
  v1.onBlockBytes(Buffer.alloc(60, value));
  v1.onBlockBytes(Buffer.alloc(lengthBytes - 60, value));
}

test('a block within a v1 piece is asked for there, and handed on as it comes', () => {
  const { v1, heard } = wire();
  const own = { piece: 1, beginBytes: 0, lengthBytes: block };
  const theirs = { piece: 0, beginBytes: 100, lengthBytes: block };
  expect(v1.translate(request(own))).toEqual(request(theirs));
  send(v1, theirs, 7);
  expect(heard).toEqual([`block 1 0 ${block}`, '60 of 7 to 7', `${block - 60} of 7 to 7`]);
});

test('a block across a border is asked for, and taken back, in two parts', () => {
  const { v1 } = wire();
  const both = Buffer.concat([request(head), request(tail)]);
  expect(v1.translate(request(across))).toEqual(both);
  expect(v1.translate(cancel(across))).toEqual(Buffer.concat([cancel(head), cancel(tail)]));
});

test.each([
  { order: 'in order', parts: [head, tail] },
  { order: 'the other way round', parts: [tail, head] },
])('its parts are handed on together, when both have come ($order)', ({ parts: [one, two] }) => {
  const { v1, heard } = wire();
  v1.translate(request(across));
  send(v1, one ?? head, one === head ? 1 : 2);
  expect(heard).toEqual([]);
  send(v1, two ?? tail, two === head ? 1 : 2);
  expect(heard).toEqual([`block 1 ${block} ${block}`, `${block} of 1 to 2`]);
});

test('where one part is rejected, the request is, once both are answered', () => {
  const { v1, heard } = wire();
  v1.translate(request(across));
  v1.onReject(head);
  expect(heard).toEqual([]);
  send(v1, tail, 2);
  expect(heard).toEqual([`reject 1 ${block}`]);
});

test('asked for again, since a choke made it void, it may be answered twice', () => {
  const { v1, heard } = wire();
  v1.translate(request(across));
  v1.translate(request(across));
  for (const part of [head, tail, head, tail]) send(v1, part, 1);
  expect(heard).toHaveLength(4);
});

test('a part that nobody asked for is not kept: it is for who knows what was asked for', () => {
  const { v1, heard } = wire();
  v1.onBlock(tail.piece, tail.beginBytes, tail.lengthBytes);
  expect(heard).toEqual([`block 1 ${2 * block - 100} 100`]);
  expect(() => {
    v1.onBlock(2, 5 * block, block);
  }).toThrow('the image has not');
});
