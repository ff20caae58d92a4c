import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connect as connectSealed, createServer as createSealedServer } from 'node:tls';
import { onTestFinished } from 'vitest';
import { infoHashOf, type StoredImage } from '../../src/image/index.ts';
import { ImageReader } from '../../src/swarm/image-reader.ts';
import type { Message } from '../../src/swarm/message.ts';
import { PieceMap } from '../../src/swarm/piece-map.ts';
import type { PeerTlsOptions } from '../../src/trust/index.ts';
import { LyingConnection, type LyingHost } from './lying-connection.ts';
import type { Lie } from './lies.ts';

export interface LyingPeerInit {
  readonly lie?: Lie;
  /** 20 characters; by default each peer has its own. */
  readonly peerId?: string;
  /** A new peer id for each connection, as who was banned would take. */
  readonly changesId?: boolean;
  /** Whether it knows the fast extension (BEP 6). */
  readonly fast?: boolean;
  /** It knows the v1 hash of a hybrid alone, and hangs up on who comes with another. */
  readonly v1?: boolean;
  /** The pieces that it says it has; by default all. */
  readonly pieces?: readonly number[];
  /** The info dictionary that it serves instead of the image's own. */
  readonly encodedInfo?: Buffer;
  /** `closesMidway`: after so many blocks. */
  readonly blocksUntilClose?: number;
  /** By which it is known in a sealed swarm; without it, it speaks plain. */
  readonly tls?: PeerTlsOptions;
}

let created = 0;

/**
 * A BitTorrent peer over real TCP that serves an image, truthfully or with one named lie. It
 * counts what it was asked for, and takes what it needs to serve from the image itself, so that a
 * test says only what it is about:
 *
 *     const liar = await LyingPeer.open(image, { lie: 'wrongBlocks' });
 *     fetcher.addEndpoint(image.imageId, liar.endpoint);
 *     await liar.dropped();
 *
 * It ends with the test that opened it.
 */
export class LyingPeer implements LyingHost, AsyncDisposable {
  readonly image: StoredImage;
  readonly lie: Lie;
  readonly init: LyingPeerInit;
  readonly pieces: PieceMap;
  readonly reader: ImageReader;
  /** What it was asked for, over all its connections. */
  readonly asked = { blocks: 0, metadata: 0, hashes: 0, pieces: new Set<number>(), bytes: 0 };
  /** What it received: the payload of blocks, and the numbers of pieces that others claim. */
  readonly received = { blockBytes: 0, rejects: 0, unchokes: 0, have: new Set<number>() };
  /** How many connections it had. */
  connections = 0;
  flooded = false;
  readonly #server: Server;
  readonly #open = new Set<LyingConnection>();
  readonly #watchers = new Set<() => void>();
  readonly #number = ++created;
  #drops = 0;

  private constructor(image: StoredImage, init: LyingPeerInit) {
    this.image = image;
    this.init = init;
    this.lie = init.lie ?? 'none';
    this.pieces = new PieceMap(image.metainfo.info);
    this.reader = new ImageReader({ info: image.metainfo.info, tree: image.tree });
    const accept = (socket: Socket) => {
      this.#begin(socket, false);
    };
    this.#server =
      init.tls === undefined ? createServer(accept) : createSealedServer(init.tls, accept);
  }

  /** Listens on a free port of the loopback address. */
  static async open(image: StoredImage, init: LyingPeerInit = {}): Promise<LyingPeer> {
    const peer = new LyingPeer(image, init);
    peer.#server.listen({ host: '127.0.0.1', port: 0 });
    await once(peer.#server, 'listening');
    onTestFinished(() => peer[Symbol.asyncDispose]());
    return peer;
  }

  get endpoint(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** The first 20 bytes of the image's info-hash. */
  get infoHash(): Buffer {
    return infoHashOf(this.image.imageId).subarray(0, 20);
  }

  /** The id that its next connection has. */
  nextPeerId(): Buffer {
    const number =
      this.init.changesId === true ? `${this.#number}.${this.connections}` : this.#number;
    const text = this.init.peerId ?? `-LIAR00-${number}`.padEnd(20, '.');
    return Buffer.from(text, 'latin1');
  }

  /** Connects to a peer. @param infoHash 20 bytes, where it is not the image's v2 hash */
  async dial(endpoint: { host: string; port: number }, infoHash = this.infoHash): Promise<void> {
    const { tls } = this.init;
    const socket = tls === undefined ? connect(endpoint) : connectSealed({ ...endpoint, ...tls });
    await once(socket, tls === undefined ? 'connect' : 'secureConnect');
    this.#begin(socket, true).sendHandshake(infoHash);
  }

  #begin(socket: Socket, outgoing: boolean): LyingConnection {
    this.connections += 1;
    const connection = new LyingConnection(this, socket, outgoing);
    this.#open.add(connection);
    socket.once('close', () => {
      this.#open.delete(connection);
      this.#drops += 1;
      this.changed();
    });
    this.changed();
    return connection;
  }

  /** Sends the handshakes that `lateHandshake` held back. */
  release(): void {
    for (const connection of this.#open) connection.sendHandshake(this.infoHash);
  }

  /** Says something on each of its connections. */
  say(message: Message): void {
    for (const connection of this.#open) connection.say(message);
  }

  /** Closes its connections, as a host that goes away does. */
  hangUp(): void {
    for (const connection of this.#open) connection.close();
  }

  /** Waits until `count` connections with it were closed, by whom ever. */
  async dropped(count = 1): Promise<void> {
    await this.until(() => this.#drops >= count);
  }

  /** Waits until what it counts satisfies `holds`. */
  async until(holds: (peer: this) => boolean): Promise<void> {
    if (holds(this)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = () => {
      if (holds(this)) resolve();
    };
    this.#watchers.add(watcher);
    await promise;
    this.#watchers.delete(watcher);
  }

  /** Something that it counts has changed. */
  changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.hangUp();
    await closed;
    this.reader[Symbol.dispose]();
  }
}
