import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import {
  connect as connectSealed,
  createServer as createSealedServer,
  type ConnectionOptions,
  type TLSSocket,
} from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { infoHashOf, type StoredImage } from '../../../src/image/index.ts';
import { encodeHandshake, handshakeBytes } from '../../../src/swarm/handshake.ts';
import type { ExchangeInit } from '../../../src/swarm/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { LyingPeer } from '../../tools/lying-peer.ts';
import { openExchange } from '../../tools/running-exchange.ts';
import { newSealedHost, sealOf, type SealedHost } from '../../tools/sealed-host.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { describeTree } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const sketch = {
  'data/large': seededBytes(1, 3_000_000),
  'data/small': 'small',
  'bin/app': { executable: seededBytes(2, 300_000) },
};
const boundBytes = 64 << 20;
const protocolName = Buffer.from('BitTorrent protocol');

let one: SealedHost, two: SealedHost, stranger: SealedHost;

beforeAll(async () => {
  [one, two, stranger] = await Promise.all([newSealedHost(), newSealedHost(), newSealedHost()]);
});

async function openSeed(init: Partial<ExchangeInit> = {}) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const refusals: string[] = [];
  const host = await openExchange(directory, {
    seal: sealOf(one, two),
    onWarning: (_, error) => refusals.push(String(error)),
    ...init,
  });
  host.exchange.seed(image);
  return { ...host, image, refusals };
}

async function openFetcher(image: StoredImage, init: Partial<ExchangeInit> = {}) {
  const host = await openExchange(await temporaryDirectory(), { seal: sealOf(two, one), ...init });
  return { ...host, swarm: host.exchange.fetch(image.imageId) };
}

async function expectSame(stored: StoredImage, image: StoredImage): Promise<void> {
  expect(await describeTree(stored.tree)).toEqual(await describeTree(image.tree));
}

/** The image is fetched by a member from the seed. */
async function expectServes({ image, endpoint }: Awaited<ReturnType<typeof openSeed>>) {
  const fetcher = await openFetcher(image);
  fetcher.exchange.addEndpoint(image.imageId, endpoint);
  await expectSame(await fetcher.swarm.completed, image);
}

const hello = (image: StoredImage): Buffer => {
  const infoHash = infoHashOf(image.imageId).subarray(0, 20);
  return encodeHandshake({ infoHash, peerId: Buffer.alloc(20, 0x41) });
};

/** Gathers what a connection brings until it is closed. */
async function allOf(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => parts.push(chunk));
  socket.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    if (socket.closed) resolve();
    socket.once('close', resolve);
  });
  return Buffer.concat(parts);
}

function dialPlain(port: number): Socket {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  socket.on('error', () => undefined);
  return socket;
}

function dialSealed(port: number, options: ConnectionOptions): TLSSocket {
  const socket = connectSealed({ host: '127.0.0.1', port, ...options });
  onTestFinished(() => {
    socket.destroy();
  });
  socket.on('error', () => undefined);
  return socket;
}

/** A listener of any kind that is gone when the test is over. */
async function listening(server: ReturnType<typeof createServer>) {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

/** A sealed listener that says hello, notes what it is told inside the seal, and hangs up. */
function recordingServer(host: SealedHost, image: StoredImage) {
  const received: Buffer[] = [];
  const resumed: boolean[] = [];
  let ended = 0;
  const server = createSealedServer(host.tls, (socket) => {
    resumed.push(socket.isSessionReused());
    socket.on('error', () => undefined);
    socket.write(hello(image));
    // The client has had its ticket when it answers.
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      socket.end();
    });
  });
  server.on('connection', (socket: Socket) => {
    socket.once('close', () => (ended += 1));
  });
  const visits = async (count: number) => {
    await vi.waitFor(() => {
      expect(ended).toBeGreaterThanOrEqual(count);
    }, 5_000);
  };
  return { server, received, resumed, visits };
}

describe('an image is fetched sealed, byte for byte', () => {
  test.each([0, 2])('with %s threads', async (threads) => {
    const { image, endpoint } = await openSeed({ threads });
    const fetcher = await openFetcher(image, { threads });
    fetcher.exchange.addEndpoint(image.imageId, endpoint);
    await expectSame(await fetcher.swarm.completed, image);
    expect(fetcher.swarm.status().sources.length).toBe(1);
  });
});

describe('a host with a valid certificate that is no member', () => {
  test('is refused when it connects, before any byte of BitTorrent', async () => {
    const seed = await openSeed();
    const socket = dialSealed(seed.endpoint.port, stranger.tls);
    socket.write(hello(seed.image));
    expect(await allOf(socket)).toHaveLength(0);
    await vi.waitFor(() => {
      expect(seed.refusals.join()).toContain(`${stranger.peerId} is not a member`);
    });
    expect(seed.exchange.status()).toMatchObject([{ peers: 0 }]);
  });

  test('is refused when it is connected to, before any byte of BitTorrent', async () => {
    const { image } = await openSeed();
    const server = recordingServer(stranger, image);
    const fetcher = await openFetcher(image);
    fetcher.exchange.addEndpoint(image.imageId, await listening(server.server));
    await server.visits(1);
    expect(Buffer.concat(server.received)).toHaveLength(0);
    expect(fetcher.swarm.status().peers).toBe(0);
  });
});

test('a member that is removed is cut off at once and can not come back', async () => {
  const seed = await openSeed({ uploadBytesPerSecond: 500_000 });
  const fetcher = await openFetcher(seed.image);
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await fetcher.until(({ verifiedBytes }) => verifiedBytes > 0);
  const cut = fetcher.until(({ peers }) => peers === 0);
  seed.exchange.setMembers(new Set([one.peerId]));
  expect(seed.exchange.status()).toMatchObject([{ peers: 0 }]);
  await cut;
  fetcher.advance(300_000);
  fetcher.exchange.addEndpoint(seed.image.imageId, seed.endpoint);
  await vi.waitFor(() => {
    expect(seed.refusals.join()).toContain('is not a member');
  }, 10_000);
  expect(fetcher.swarm.status()).toMatchObject({ state: 'fetching', peers: 0 });
});

test('a plain client at the sealed port gets nothing, and the host stays sealed', async () => {
  const seed = await openSeed();
  const socket = dialPlain(seed.endpoint.port);
  socket.write(hello(seed.image));
  const received = await allOf(socket);
  // At most an alert of TLS (RFC 8446, section 6).
  expect(received.includes(protocolName)).toBe(false);
  expect(received.length).toBeLessThan(10);
  expect(seed.exchange.openPort).toBeUndefined();
  await expectServes(seed);
});

test('a sealed host never speaks plain: all that a plain listener sees is a ClientHello', async () => {
  const { image } = await openSeed();
  const received: Promise<Buffer>[] = [];
  const server = createServer((socket) => {
    socket.write(hello(image));
    received.push(allOf(socket));
  });
  const endpoint = await listening(server);
  const fetcher = await openFetcher(image);
  for (let time = 1; time <= 3; time++) {
    fetcher.exchange.addEndpoint(image.imageId, endpoint);
    await vi.waitFor(() => {
      expect(received).toHaveLength(time);
    }, 5_000);
    const bytes = (await received[time - 1]) ?? Buffer.alloc(0);
    // A record of type handshake, and in it a ClientHello.
    expect([bytes[0], bytes[1], bytes[5]]).toEqual([0x16, 3, 1]);
    expect(bytes.includes(protocolName)).toBe(false);
    expect(bytes.includes(infoHashOf(image.imageId).subarray(0, 20))).toBe(false);
    fetcher.advance(600_000);
  }
});

describe('others are served, and the host stays small, when', () => {
  /** A certificate that is larger than any host's. */
  const oversize = (): ConnectionOptions => {
    const many = Array.from({ length: 300 }, () => stranger.tls.cert).join('\n');
    return { ...stranger.tls, cert: `${stranger.tls.cert}\n${many}` };
  };
  const attacks: Record<string, (port: number) => void | Promise<void>> = {
    'handshakes come one byte at a time': (port) => {
      for (let count = 0; count < 50; count++) {
        const socket = dialPlain(port);
        const head = Buffer.from('1603010200010001fc0303', 'hex');
        let at = 0;
        const timer = setInterval(() => socket.write(head.subarray(at, ++at)), 20);
        socket.once('close', () => {
          clearInterval(timer);
        });
      }
    },
    'three hundred connections say nothing': async (port) => {
      const all = Array.from({ length: 300 }, () => dialPlain(port));
      await Promise.all(all.map((socket) => once(socket, 'connect')));
    },
    'garbage comes instead of a ClientHello': async (port) => {
      for (let count = 0; count < 50; count++) {
        const socket = dialPlain(port);
        socket.write(seededBytes(count, 100_000));
        await allOf(socket);
      }
    },
    'a record is announced as large as can be and never comes': (port) => {
      for (let count = 0; count < 50; count++) {
        dialPlain(port).write(Buffer.from('160303ffff01ffffff', 'hex'));
      }
    },
    'a certificate comes with a second one': async (port) => {
      const { cert, key } = stranger.tls;
      const socket = dialSealed(port, { ...two.tls, cert: `${two.tls.cert}\n${cert}` });
      expect(await allOf(socket)).toHaveLength(0);
      expect(key).not.toBe(two.tls.key);
    },
    'a certificate is larger than may be': async (port) => {
      for (let count = 0; count < 10; count++) {
        expect(await allOf(dialSealed(port, oversize()))).toHaveLength(0);
      }
    },
  };

  test.each(Object.entries(attacks))('%s', async (_, attack) => {
    const seed = await openSeed();
    const before = process.memoryUsage.rss();
    await attack(seed.endpoint.port);
    await expectServes(seed);
    expect(process.memoryUsage.rss() - before).toBeLessThan(boundBytes);
    expect(seed.exchange.status()[0]?.peers).toBeLessThanOrEqual(1);
  });
});

describe('a session is resumed at the second connection', () => {
  test('by a member, who is checked again then', async () => {
    const seed = await openSeed();
    let session: Buffer | undefined;
    const visit = async () => {
      const options = session === undefined ? two.tls : { ...two.tls, session };
      const socket = dialSealed(seed.endpoint.port, options);
      socket.on('session', (fresh) => (session = fresh));
      await once(socket, 'secureConnect');
      const resumed = socket.isSessionReused();
      socket.write(hello(seed.image));
      const answered = await Promise.race([
        once(socket, 'data').then(([chunk]: Buffer[]) => (chunk?.length ?? 0) >= handshakeBytes),
        once(socket, 'close').then(() => false),
      ]);
      socket.destroy();
      return { answered, resumed };
    };
    expect(await visit()).toEqual({ answered: true, resumed: false });
    expect(session).toBeDefined();
    expect(await visit()).toEqual({ answered: true, resumed: true });
    seed.exchange.setMembers(new Set([one.peerId]));
    expect(await visit()).toEqual({ answered: false, resumed: true });
    expect(seed.refusals.join()).toContain(`${two.peerId} is not a member`);
  });

  test('by the host when it connects, and not to who is no member any more', async () => {
    const { image } = await openSeed();
    const server = recordingServer(one, image);
    const endpoint = await listening(server.server);
    const fetcher = await openFetcher(image);
    const visit = async (count: number) => {
      server.received.splice(0);
      fetcher.exchange.addEndpoint(image.imageId, endpoint);
      await server.visits(count);
      fetcher.advance(600_000);
      return Buffer.concat(server.received).includes(protocolName);
    };
    expect(await visit(1)).toBe(true);
    expect(await visit(2)).toBe(true);
    expect(server.resumed).toEqual([false, true]);
    fetcher.exchange.setMembers(new Set([two.peerId]));
    expect(await visit(3)).toBe(false);
  });
});

test('one host serves an image to members sealed, and to anybody at its open port', async () => {
  const seed = await openSeed({ open: true });
  const { openPort } = seed.exchange;
  expect(openPort).not.toBe(seed.exchange.port);
  await expectServes(seed);
  const plain = await openExchange(await temporaryDirectory());
  const swarm = plain.exchange.fetch(seed.image.imageId);
  plain.exchange.addEndpoint(seed.image.imageId, { host: '127.0.0.1', port: openPort ?? 0 });
  await expectSame(await swarm.completed, seed.image);
});

test('a host that may be opened by nobody is not opened', async () => {
  const directory = await temporaryDirectory();
  await expect(openExchange(directory, { open: false })).rejects.toMatchObject({
    code: 'CONFIG_MISSING',
  });
});

test('a sealed host fetches from a member that lies as from one that does not', async () => {
  const { image } = await openSeed();
  const liar = await LyingPeer.open(image, { lie: 'wrongBlocks', changesId: true, tls: one.tls });
  const fetcher = await openFetcher(image);
  fetcher.exchange.addEndpoint(image.imageId, liar.endpoint);
  await liar.dropped();
  // Banned is who it proved to be, whatever it calls itself.
  expect(fetcher.swarm.isBanned(one.peerId)).toBe(true);
});
