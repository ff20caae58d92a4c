import type { Socket } from 'node:net';
import { encodeBencode, type StoredImage } from '../../src/image/index.ts';
import { Bitfield } from '../../src/policy/index.ts';
import {
  encodeMetadataMessage,
  extensionHandshakeId,
  metadataExtensionId,
  metadataPieceBytes,
  parseMetadataMessage,
  parseExtensionHandshake,
} from '../../src/swarm/extension.ts';
import { encodeHandshake } from '../../src/swarm/handshake.ts';
import { answerHashRange } from '../../src/swarm/hash-range.ts';
import {
  encodeMessage,
  type BlockRange,
  type HashRange,
  type Message,
} from '../../src/swarm/message.ts';
import type { PieceReader } from '../../src/swarm/image-reader.ts';
import type { PieceMap } from '../../src/swarm/piece-map.ts';
import type { Lie } from './lies.ts';
import { MessageReader } from './message-reader.ts';

/** The number under which this peer takes `ut_metadata`: another than the engine's own. */
const metadataId = 7;
/** `slowLoris`: the pause between two bytes. */
const dripMs = 20;

/** How much of one message a flood is. */
const floodBytes = 3 << 20;
/** `otherOrder`: so many requests are answered from the last to the first. */
const orderOf = 5;

/** What the connections of a lying peer share: who it is, what it serves, and what it counts. */
export interface LyingHost {
  readonly image: StoredImage;
  readonly lie: Lie;
  readonly init: {
    readonly fast?: boolean;
    readonly v1?: boolean;
    readonly pieces?: readonly number[];
    readonly encodedInfo?: Buffer;
    readonly blocksUntilClose?: number;
  };
  readonly pieces: PieceMap;
  readonly reader: PieceReader;
  readonly endpoint: { readonly port: number };
  readonly asked: {
    blocks: number;
    metadata: number;
    hashes: number;
    bytes: number;
    readonly pieces: Set<number>;
  };
  readonly received: {
    blockBytes: number;
    rejects: number;
    unchokes: number;
    readonly have: Set<number>;
  };
  /** It has sent all that it repeats. */
  flooded: boolean;
  nextPeerId(): Buffer;
  changed(): void;
}

/** One connection of a `LyingPeer`. */
export class LyingConnection {
  readonly #peer: LyingHost;
  readonly #socket: Socket;
  readonly #outgoing: boolean;
  readonly #lied = new Set<number>();
  #handshakeSent = false;
  #theirMetadataId = 0;
  #blocksSent = 0;
  #drip: Buffer[] = [];
  #held: Message[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(peer: LyingHost, socket: Socket, outgoing: boolean) {
    this.#peer = peer;
    this.#socket = socket;
    this.#outgoing = outgoing;
    const reader = new MessageReader(
      {
        onHandshake: (handshake) => {
          this.#onHandshake(handshake.infoHash);
        },
        onMessage: (message) => {
          this.#onMessage(message);
        },
      },
      { maxMessageBytes: 1 << 26 },
    );
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      reader.close();
      clearTimeout(this.#timer);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  sendHandshake(infoHash: Buffer): void {
    if (this.#handshakeSent) return;
    this.#handshakeSent = true;
    const handshake = encodeHandshake({ infoHash, peerId: this.#peer.nextPeerId() });
    if (this.#peer.init.fast === false) handshake[27] = (handshake[27] ?? 0) & ~0x04;
    if (this.#peer.init.v1 === true) handshake[27] = (handshake[27] ?? 0) & ~0x10;
    this.#socket.write(handshake);
    if (this.#peer.lie !== 'lateHandshake') return;
    this.#greet();
  }

  #onHandshake(infoHash: Buffer): void {
    const { lie, init, image } = this.#peer;
    if (lie === 'noHandshake' || lie === 'lateHandshake') return;
    if (init.v1 === true && image.metainfo.info.v1InfoHash?.equals(infoHash) !== true) {
      this.close();
      return;
    }
    if (!this.#outgoing) this.sendHandshake(infoHash);
    this.#greet();
  }

  /** What follows the handshakes: what it can, what it has, and that it answers. */
  #greet(): void {
    const { lie } = this.#peer;
    if (lie === 'silent') return;
    if (lie === 'oversizeMessage') {
      this.#socket.write(Buffer.from([0x80, 0, 0, 0, 7]));
      return;
    }
    if (lie === 'garbage') {
      this.#socket.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n', 'latin1'));
      return;
    }
    this.say({ type: 'extended', id: extensionHandshakeId, payload: this.#extensionHandshake() });
    this.#sendPieces();
    if (lie !== 'choked') this.say({ type: 'unchoke' });
    if (lie === 'unsolicitedBlocks') this.#sendUnsolicited();
    if (lie === 'requestsOutOfRange') this.#requestOutOfRange();
    if (lie === 'requestFlood') this.#flood();
    else this.#repeat();
  }

  /** Sends what its lie is to say again and again, and then no more. */
  #repeat(): void {
    const message = this.#repeated();
    if (message === undefined) return;
    const { lie } = this.#peer;
    const reads = lie !== 'hashFlood' && lie !== 'metadataFlood' && lie !== 'largeRequests';
    if (!reads) this.#socket.pause();
    const one = encodeMessage(message);
    const many = lie === 'largeRequests' ? 1_900 : Math.ceil(floodBytes / one.length);
    this.#socket.write(Buffer.concat(Array.from({ length: many }, () => one)), () => {
      this.#peer.flooded = true;
      this.#peer.changed();
    });
  }

  #repeated(): Message | undefined {
    const { lie, pieces } = this.#peer;
    const range = { piece: 0, beginBytes: 0, lengthBytes: 16_384 };
    switch (lie) {
      case 'haveFlood':
        return { type: 'have', piece: 0 };
      case 'keepAliveFlood':
        return { type: 'keepAlive' };
      case 'extensionFlood':
        return { type: 'extended', id: extensionHandshakeId, payload: this.#extensionHandshake() };
      case 'cancelFlood':
        return { type: 'cancel', range };
      case 'hashFlood': {
        const { root } = pieces.fileOf(0);
        const first = { baseLayer: 0, index: 0, length: 2, proofLayers: 4 };
        return { type: 'hashRequest', range: { root: root ?? Buffer.alloc(32), ...first } };
      }
      case 'metadataFlood': {
        const payload = encodeMetadataMessage({ type: 'request', piece: 0 });
        return { type: 'extended', id: metadataExtensionId, payload };
      }
      case 'largeRequests':
        return { type: 'request', range: { ...range, lengthBytes: 1 << 18 } };
      default:
        return undefined;
    }
  }

  #extensionHandshake(): Buffer {
    const { lie, image, init } = this.#peer;
    const trueBytes = (init.encodedInfo ?? image.metainfo.info.encoded).length;
    const sizes: Partial<Record<typeof lie, number>> = {
      hugeMetadataSize: 2 ** 52,
      otherMetadataSize: trueBytes + 1,
      endlessMetadata: 64 << 20,
    };
    return encodeBencode({
      m: { ut_metadata: metadataId },
      metadata_size: sizes[lie] ?? trueBytes,
      p: this.#peer.endpoint.port,
      reqq: 500,
      v: 'a peer of the tests',
    });
  }

  #sendPieces(): void {
    const { lie, init, pieces } = this.#peer;
    const { pieceCount } = pieces.info;
    if (lie === 'inventsPieces') {
      this.say({ type: 'bitfield', bits: Buffer.alloc(Math.ceil(pieceCount / 8) + 1, 0xff) });
      return;
    }
    if (init.pieces === undefined && init.fast !== false) {
      this.say({ type: 'haveAll' });
      return;
    }
    const field = new Bitfield(pieceCount);
    for (const piece of init.pieces ?? Bitfield.full(pieceCount)) field.add(piece);
    this.say({ type: 'bitfield', bits: field.toBytes() });
  }

  #sendUnsolicited(): void {
    for (let begin = 0; begin < 4; begin++) {
      const data = Buffer.alloc(16_384, 0xee);
      this.say({ type: 'piece', piece: 0, beginBytes: begin * 16_384, data });
    }
  }

  #requestOutOfRange(): void {
    const { pieceSizeBytes } = this.#peer.pieces.info;
    const range = { piece: 0, beginBytes: pieceSizeBytes, lengthBytes: 16_384 };
    this.say({ type: 'request', range });
  }

  /** Asks for pieces that nobody has, as fast as the connection takes it, and reads no answer. */
  #flood(): void {
    this.#socket.pause();
    const range = { piece: 0xffff_ffff, beginBytes: 0, lengthBytes: 16_384 };
    const one = encodeMessage({ type: 'request', range });
    const many = Buffer.concat(Array.from({ length: 8_192 }, () => one));
    const again = () => {
      while (!this.#socket.destroyed && this.#socket.write(many));
    };
    this.#socket.on('drain', again);
    again();
  }

  #onMessage(message: Message): void {
    const { lie, asked } = this.#peer;
    if (lie === 'silent' || lie === 'noHandshake') return;
    this.#learn(message);
    if (message.type === 'request') {
      asked.blocks += 1;
      asked.bytes += message.range.lengthBytes;
      asked.pieces.add(message.range.piece);
      this.#answerBlock(message.range).catch(() => {
        this.close();
      });
    } else if (message.type === 'hashRequest') {
      asked.hashes += 1;
      this.#answerHashes({ ...message.range, root: Buffer.from(message.range.root) }).catch(() => {
        this.close();
      });
    } else if (message.type === 'extended') {
      this.#onExtended(message.id, message.payload);
    }
    this.#peer.changed();
  }

  /** Counts what the other side claims to have, and sends. */
  #learn(message: Message): void {
    const { received, pieces } = this.#peer;
    const { pieceCount } = pieces.info;
    if (message.type === 'have') received.have.add(message.piece);
    else if (message.type === 'haveAll') this.#learnAll(Bitfield.full(pieceCount));
    else if (message.type === 'bitfield') {
      this.#learnAll(Bitfield.parse(pieceCount, message.bits) ?? new Bitfield(0));
    } else if (message.type === 'unchoke') received.unchokes += 1;
    else if (message.type === 'rejectRequest') received.rejects += 1;
    else if (message.type === 'piece') received.blockBytes += message.data.length;
  }

  #learnAll(pieces: Bitfield): void {
    for (const piece of pieces) this.#peer.received.have.add(piece);
  }

  #onExtended(id: number, payload: Uint8Array): void {
    if (id === extensionHandshakeId) {
      this.#theirMetadataId = parseExtensionHandshake(payload).metadataId ?? 0;
      if (this.#peer.lie === 'endlessMetadata') this.#sendMetadataForEver();
      return;
    }
    const message = parseMetadataMessage(payload);
    if (message?.type !== 'request') return;
    this.#peer.asked.metadata += 1;
    const { init, image, lie } = this.#peer;
    const encoded = init.encodedInfo ?? image.metainfo.info.encoded;
    const start = message.piece * metadataPieceBytes;
    if (lie === 'silentMetadata') return;
    if (lie === 'rejectsMetadata') {
      this.#sendMetadata(encodeMetadataMessage({ type: 'reject', piece: message.piece }));
      return;
    }
    const data = Buffer.from(encoded.subarray(start, start + metadataPieceBytes));
    if (lie === 'wrongMetadata') data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 1;
    const answer = {
      type: 'data',
      piece: message.piece,
      totalBytes: encoded.length,
      data,
    } as const;
    this.#sendMetadata(encodeMetadataMessage(answer));
  }

  #sendMetadata(payload: Buffer): void {
    this.say({ type: 'extended', id: this.#theirMetadataId, payload });
  }

  #sendMetadataForEver(): void {
    const data = Buffer.alloc(metadataPieceBytes, 0x69);
    for (let piece = 0; piece < 64; piece++) {
      const part = { type: 'data', piece: piece % 8, totalBytes: 64 << 20, data } as const;
      this.#sendMetadata(encodeMetadataMessage(part));
    }
  }

  async #answerBlock(range: BlockRange): Promise<void> {
    const { lie, init, reader } = this.#peer;
    const { piece, beginBytes, lengthBytes } = range;
    const first = !this.#lied.has(piece);
    this.#lied.add(piece);
    if (lie === 'withholdsBlocks') return;
    if (lie === 'haveAllThenTooMany') {
      this.say({ type: 'bitfield', bits: Buffer.alloc(1_000, 0xff) });
      return;
    }
    if (lie === 'flapping') {
      this.say({ type: 'choke' });
      this.say({ type: 'rejectRequest', range });
      this.say({ type: 'unchoke' });
      return;
    }
    if (lie === 'rejectsEverything' || (lie === 'wrongBlocksThenRejects' && !first)) {
      this.say({ type: 'rejectRequest', range });
      return;
    }
    if (lie === 'closesMidway' && this.#blocksSent >= (init.blocksUntilClose ?? 20)) {
      this.#socket.end();
      return;
    }
    this.#blocksSent += 1;
    const data = await reader.read(piece, beginBytes, lengthBytes);
    const liesHere =
      lie === 'wrongBlocks' ||
      ((lie === 'oneWrongBlockAPiece' || lie === 'wrongBlocksThenRejects') && first);
    if (liesHere) data[7] = (data[7] ?? 0) ^ 0x20;
    const extra = { longerBlocks: 1, oversizeBlocks: 1 << 20 }[lie as string] ?? 0;
    const sent = extra === 0 ? data : Buffer.concat([data, Buffer.alloc(extra)]);
    this.#answer({ type: 'piece', piece, beginBytes, data: sent });
  }

  #answer(block: Message): void {
    if (this.#peer.lie !== 'otherOrder') {
      this.say(block);
      return;
    }
    this.#held.push(block);
    // What is left over goes out when no more requests come.
    if (this.#held.length >= orderOf) this.#sendHeld();
    else if (this.#held.length === 1) setTimeout(() => this.#sendHeld(), dripMs);
  }

  #sendHeld(): void {
    for (const block of this.#held.splice(0).reverse()) this.say(block);
  }

  async #answerHashes(range: HashRange): Promise<void> {
    const { image, pieces, reader, lie } = this.#peer;
    const { metainfo } = image;
    const hashes = await answerHashRange(range, { metainfo, pieces, reader, has: () => true });
    if (hashes === undefined) {
      this.say({ type: 'hashReject', range });
      return;
    }
    if (lie === 'wrongHashes') hashes[0] = (hashes[0] ?? 0) ^ 1;
    this.say({ type: 'hashes', range, hashes });
  }

  /** Says a message; as slowly as its lie is. */
  say(message: Message): void {
    if (this.#socket.destroyed) return;
    const bytes = encodeMessage(message);
    if (this.#peer.lie !== 'slowLoris') {
      this.#socket.write(bytes);
      return;
    }
    this.#drip.push(bytes);
    if (this.#timer === undefined) this.#dripOne();
  }

  #dripOne(): void {
    const [first, ...others] = this.#drip;
    this.#timer = undefined;
    if (first === undefined || this.#socket.destroyed) return;
    this.#socket.write(first.subarray(0, 1));
    this.#drip = first.length > 1 ? [first.subarray(1), ...others] : others;
    this.#timer = setTimeout(() => {
      this.#dripOne();
    }, dripMs);
  }
}
