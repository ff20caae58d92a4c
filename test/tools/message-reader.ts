import { parseHandshake, type Handshake } from '../../src/swarm/handshake.ts';
import { parseMessage, type Message } from '../../src/swarm/message.ts';
import { WireReader } from '../../src/swarm/data/wire-reader.ts';

/** What a peer of the tests is told. */
export interface MessageSink {
  onHandshake(handshake: Handshake): void;
  onMessage(message: Message): void;
}

/** The engine's reader of connections, for those who want blocks whole, as messages. */
export class MessageReader {
  readonly #reader: WireReader;

  constructor(sink: MessageSink, init: { maxMessageBytes: number }) {
    let block: { piece: number; beginBytes: number; parts: Buffer[]; left: number } | undefined;
    this.#reader = new WireReader(
      {
        onHandshake: (bytes) => {
          sink.onHandshake(parseHandshake(bytes));
        },
        onMessage: (body) => {
          const message = parseMessage(body);
          if (message === undefined) throw new Error(`a malformed message ${body[0]}`);
          sink.onMessage(message);
        },
        onBlock: (piece, beginBytes, left) => {
          block = { piece, beginBytes, parts: [], left };
        },
        onBlockBytes: (bytes) => {
          if (block === undefined) return;
          block.parts.push(Buffer.from(bytes));
          block.left -= bytes.length;
          if (block.left > 0) return;
          const { piece, beginBytes, parts } = block;
          sink.onMessage({ type: 'piece', piece, beginBytes, data: Buffer.concat(parts) });
        },
      },
      init,
    );
  }

  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  close(): void {
    this.#reader.close();
  }
}
