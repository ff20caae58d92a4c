import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataCommand } from '../../../src/swarm/data/data-protocol.ts';
import { encodeHandshake } from '../../../src/swarm/handshake.ts';
import { encodeMessage, type Message } from '../../../src/swarm/message.ts';
import { Peer } from '../../../src/swarm/peer.ts';

/** A peer whose data plane notes what it is told. */
function notedPeer() {
  const posted: DataCommand[] = [];
  const closed: (Error | undefined)[] = [];
  const messages: Message['type'][] = [];
  const peer = new Peer(
    { lane: { post: (command) => void posted.push(command) }, now: () => 0 },
    {
      link: 7,
      address: '10.0.0.1:80',
      outgoing: true,
      onHandshake: () => undefined,
      onClosed: () => undefined,
    },
  );
  peer.listener = {
    onMessage: (_, message) => void messages.push(message.type),
    onUntrue: () => undefined,
    onReturned: () => undefined,
    onTally: () => undefined,
    onSettled: () => undefined,
    onClose: (_, error) => void closed.push(error),
  };
  return { peer, posted, closed, messages };
}

const hex = (messages: readonly Message[]): string =>
  Buffer.concat(messages.map(encodeMessage)).toString('hex');

const sentIn = (posted: readonly DataCommand[]): string[] =>
  posted.map((command) =>
    command.type === 'send' ? Buffer.from(command.bytes).toString('hex') : command.type,
  );

test('what is sent in one turn is posted together and in order, with memory of its own', async () => {
  const { peer, posted } = notedPeer();
  const messages: Message[] = [1, 2, 3].map((piece) => ({ type: 'have', piece }));
  for (const message of messages) peer.send(message);
  expect(posted).toEqual([]);
  await turn();
  expect(sentIn(posted)).toEqual([hex(messages)]);
  const [first] = posted;
  if (first?.type !== 'send') throw new Error('nothing was sent');
  // What is posted is copied with all the memory that it lies in.
  expect(first.bytes.buffer.byteLength).toBe(first.bytes.length);
  peer.send({ type: 'keepAlive' });
  await turn();
  expect(sentIn(posted)).toEqual([hex(messages), hex([{ type: 'keepAlive' }])]);
});

describe('what was sent before is posted before', () => {
  const interested: Message = { type: 'interested' };

  test('wishes, and what the connection is about', () => {
    const { peer, posted } = notedPeer();
    peer.send(interested);
    peer.want([1, 2]);
    peer.send({ type: 'notInterested' });
    peer.bind(3, 10);
    expect(sentIn(posted)).toEqual([
      hex([interested]),
      'want',
      hex([{ type: 'notInterested' }]),
      'bind',
      'peer',
    ]);
  });

  test('the end, after which nothing is posted any more', async () => {
    const { peer, posted, closed } = notedPeer();
    peer.send(interested);
    peer.close(new Error('enough'));
    peer.close(new Error('again'));
    peer.send(interested);
    peer.unwant([1]);
    await turn();
    expect(sentIn(posted)).toEqual([hex([interested]), 'drop']);
    expect(closed).toMatchObject([{ message: 'enough' }]);
  });
});

describe('the pieces a peer has', () => {
  const pieceCount = 20;
  const anyPieces: fc.Arbitrary<Message> = fc.oneof(
    fc.record({ type: fc.constant('have' as const), piece: fc.nat(pieceCount - 1) }),
    fc.record({ type: fc.constant('haveAll' as const) }),
    fc.record({ type: fc.constant('haveNone' as const) }),
    fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bits) => ({
      type: 'bitfield' as const,
      bits: Uint8Array.of(bits[0] ?? 0, bits[1] ?? 0, (bits[2] ?? 0) & 0xf0),
    })),
  );

  test('are the same whether it is known from the start or later how many there are', () => {
    fc.assert(
      fc.property(fc.array(anyPieces, { maxLength: 12 }), fc.nat(12), (messages, at) => {
        const early = notedPeer().peer;
        const late = notedPeer().peer;
        early.resolvePieces(pieceCount);
        messages.forEach((message, index) => {
          if (index === at) late.resolvePieces(pieceCount);
          early.learnPieces(message);
          late.learnPieces(message);
        });
        expect([...late.resolvePieces(pieceCount)]).toEqual([...(early.pieces ?? [])]);
      }),
    );
  });

  test('that it can not have end its connection', () => {
    for (const wrong of [
      { type: 'have', piece: pieceCount },
      { type: 'bitfield', bits: new Uint8Array(4) },
      { type: 'bitfield', bits: Uint8Array.of(0, 0, 1) },
    ] satisfies Message[]) {
      const { peer } = notedPeer();
      peer.resolvePieces(pieceCount);
      expect(() => peer.learnPieces(wrong)).toThrow('pieces that the image has not');
      const late = notedPeer().peer;
      late.learnPieces(wrong);
      expect(() => late.resolvePieces(pieceCount)).toThrow('pieces that the image has not');
    }
  });

  test('are few before it is known how many there are, however many it names', () => {
    const { peer } = notedPeer();
    const nameThem = () => {
      for (let piece = 0; piece < 200_000; piece++) peer.learnPieces({ type: 'have', piece });
    };
    expect(nameThem).toThrow('pieces that the image has not');
  });
});

test('what a data plane tells of a peer that is closed is not heard', () => {
  const { peer, messages, closed } = notedPeer();
  const body = encodeMessage({ type: 'unchoke' }).subarray(4);
  peer.onEvent({ type: 'message', link: 7, body });
  peer.close();
  peer.onEvent({ type: 'message', link: 7, body });
  const tally = { receivedBytes: 0, sentBytes: 0, windowBytes: 0, rateBytesPerSecond: 0 };
  peer.onEvent({ type: 'closed', link: 7, tally, failure: undefined });
  expect(messages).toEqual(['unchoke']);
  expect(closed).toEqual([undefined]);
});

test('a malformed message or handshake closes the connection', () => {
  for (const event of [
    { type: 'message', link: 7, body: Uint8Array.of(4, 0) },
    { type: 'handshake', link: 7, bytes: new Uint8Array(68), identity: undefined },
  ] as const) {
    const { peer, closed } = notedPeer();
    peer.onEvent(event);
    expect(closed).toMatchObject([{ code: 'PEER_PROTOCOL' }]);
  }
});

test('a peer is known by what it proved before what it says', () => {
  const { peer } = notedPeer();
  expect(peer.id).toBe('10.0.0.1:80');
  const peerId = Buffer.alloc(20, 7);
  const bytes = encodeHandshake({ infoHash: Buffer.alloc(20), peerId });
  peer.onEvent({ type: 'handshake', link: 7, bytes, identity: undefined });
  expect(peer.id).toBe(peerId.toString('hex'));
  peer.onEvent({ type: 'handshake', link: 7, bytes, identity: '12D3KooW' });
  expect(peer.id).toBe('12D3KooW');
});
