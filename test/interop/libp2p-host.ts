import { once } from 'node:events';
import type { Socket } from 'node:net';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { defaultLogger } from '@libp2p/logger';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { tls } from '@libp2p/tls';
import { AbstractMessageStream, mockMuxer, type SendResult } from '@libp2p/utils';

/** It makes no peer ids of ECDSA keys. */
type KeyType = 'Ed25519' | 'secp256k1' | 'RSA';

const logger = defaultLogger();

/** A TCP socket as js-libp2p wants it. */
class SocketStream extends AbstractMessageStream {
  readonly #socket: Socket;

  constructor(socket: Socket, direction: 'inbound' | 'outbound') {
    super({ log: logger.forComponent('starling:socket'), direction });
    this.#socket = socket;
    socket.on('data', (bytes) => {
      this.onData(bytes);
    });
    socket.on('drain', () => this.safeDispatchEvent('drain'));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.onTransportClosed();
    });
  }

  sendData(data: { byteLength: number; subarray(): Uint8Array }): SendResult {
    const { byteLength: sentBytes } = data;
    return { sentBytes, canSendMore: this.#socket.write(data.subarray()) };
  }

  sendReset(): void {
    this.#socket.destroy();
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return;
    this.#socket.destroySoon();
    await once(this.#socket, 'close');
  }
}

/** What js-libp2p made of a connection. */
export interface Libp2pConnection {
  readonly remotePeer: string;
  /** The first bytes that the other side sends, as text. */
  read(): Promise<string>;
  write(text: string): void;
}

/** A host whose TLS is js-libp2p's, with an identity of its own; it offers a stream muxer as well. */
export class Libp2pHost {
  readonly peerId: string;
  readonly #encrypter: ReturnType<ReturnType<typeof tls>>;

  private constructor(privateKey: Awaited<ReturnType<typeof generateKeyPair>>) {
    this.peerId = peerIdFromPrivateKey(privateKey).toString();
    const muxer = mockMuxer();
    const upgrader = { getStreamMuxers: () => new Map([[muxer.protocol, muxer]]) };
    const components = { privateKey, logger, upgrader };
    this.#encrypter = tls()(components as unknown as Parameters<ReturnType<typeof tls>>[0]);
  }

  static async create(type: KeyType = 'Ed25519'): Promise<Libp2pHost> {
    return new Libp2pHost(await generateKeyPair(type));
  }

  /**
   * Has the handshake, as the side that dialled or not.
   * @param expected refuse any other peer
   */
  async secure(
    socket: Socket,
    direction: 'inbound' | 'outbound',
    expected?: string,
  ): Promise<Libp2pConnection> {
    const options = {
      signal: AbortSignal.timeout(30_000),
      ...(expected === undefined ? {} : { remotePeer: peerIdFromString(expected) }),
    };
    const stream = new SocketStream(socket, direction);
    const { remotePeer, connection } = await (direction === 'inbound'
      ? this.#encrypter.secureInbound(stream, options)
      : this.#encrypter.secureOutbound(stream, options));
    return {
      remotePeer: remotePeer.toString(),
      async read() {
        for await (const bytes of connection) return Buffer.from(bytes.subarray()).toString();
        throw new Error('it ended');
      },
      write: (text) => {
        connection.send(Buffer.from(text));
      },
    };
  }
}
