import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, onTestFinished, vi } from 'vitest';
import { infoHashOf, removeTree, type StoredImage } from '../../../src/image/index.ts';
import { encodeCredentialFrame } from '../../../src/swarm/data/credential-frame.ts';
import { encodeHandshake } from '../../../src/swarm/handshake.ts';
import type { AppsInit, ExchangeInit } from '../../../src/swarm/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import type { SealedHost } from '../../tools/sealed-host.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = { 'data/large': seededBytes(1, 1_500_000), 'data/small': 'small' };

/** What all seeds of a file of tests serve. */
let baked: { readonly directory: string; readonly image: StoredImage } | undefined;

/** Bakes one image for all tests of a file. */
export function bakeOnce(): void {
  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'starling-test-'));
    baked = { directory, image: await bakeSketch(directory, sketch) };
  });
  afterAll(async () => {
    await removeTree(baked?.directory ?? '');
  });
}

/** An exchange that serves that image, and what it refuses. */
export async function openSeed({ apps, ...init }: Partial<ExchangeInit> & AppsInit) {
  if (baked === undefined) throw new Error('no image was baked');
  const { directory, image } = baked;
  const refusals: string[] = [];
  const host = await openExchange(directory, {
    onWarning: (_, error) => refusals.push(String(error)),
    ...init,
  });
  const swarm = host.exchange.seed(image, { apps });
  const untilRefused = (why: string) =>
    vi.waitFor(() => {
      if (!refusals.join().includes(why)) throw new Error(`refused were: ${refusals.join()}`);
    }, 5_000);
  return { ...host, image, swarm, refusals, untilRefused };
}

export type Seed = Awaited<ReturnType<typeof openSeed>>;

/** An exchange that fetches an image, from nobody yet. */
export async function openFetcher(
  { imageId }: StoredImage,
  { apps, ...init }: Partial<ExchangeInit> & AppsInit,
) {
  const host = await openExchange(await temporaryDirectory(), init);
  return { ...host, swarm: host.exchange.fetch(imageId, { apps }) };
}

/** The handshake by which an image is asked for. */
export const hello = ({ imageId }: StoredImage): Buffer => helloFor(infoHashOf(imageId));

/** The same by the info-hash. */
export const helloFor = (infoHash: Buffer): Buffer =>
  encodeHandshake({ infoHash: infoHash.subarray(0, 20), peerId: Buffer.alloc(20, 0x41) });

/** One end of a sealed connection that a test writes by hand. */
export class RawPeer {
  readonly socket: TLSSocket;
  readonly #parts: Buffer[] = [];
  readonly #closed: Promise<unknown>;

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#parts.push(chunk));
    this.#closed = new Promise((resolve) => socket.once('close', resolve));
    onTestFinished(() => {
      socket.destroy();
    });
  }

  static async dial(port: number, options: ConnectionOptions): Promise<RawPeer> {
    const peer = new RawPeer(connect({ host: '127.0.0.1', port, ...options }));
    await once(peer.socket, 'secureConnect');
    return peer;
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  write(...bytes: Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** Shows a credential. @returns when so many bytes have come back */
  async show(credential: string, answerBytes: number): Promise<void> {
    this.write(encodeCredentialFrame(credential));
    await this.until(answerBytes);
  }

  async until(bytes: number): Promise<void> {
    await vi.waitFor(() => {
      if (this.received.length < bytes) throw new Error(`${this.received.length} bytes came`);
    }, 5_000);
  }

  /** All that came until the connection was closed by the other side. */
  async end(): Promise<Buffer> {
    await this.#closed;
    return this.received;
  }
}

/** A sealed listener of a host that says what it is told to, and notes what it hears. */
export async function rawListener(host: SealedHost, ...says: readonly Buffer[]) {
  const peers: RawPeer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(host.tls, (socket) => {
    const peer = new RawPeer(socket);
    peers.push(peer);
    peer.write(...says);
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const endpoint = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  /** The next connection, when it is over. */
  const ended = async (): Promise<Buffer> => {
    const peer = await vi.waitFor(() => {
      const first = peers[0];
      if (first === undefined) throw new Error('nobody came');
      return first;
    }, 5_000);
    const bytes = await peer.end();
    peers.shift();
    return bytes;
  };
  return { endpoint, ended };
}
