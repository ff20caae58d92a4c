import { once } from 'node:events';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test } from 'vitest';
import { PeerError } from '../../../src/errors.ts';
import { newTicketKeys, peerIdOfConnection, PeerSessions } from '../../../src/trust/index.ts';
import { connected, listening, newHost, type TestHost } from './tls-pair.ts';

const now = new Date();
const place = 'server:1';
let server: TestHost, client: TestHost, stranger: TestHost;

beforeAll(async () => {
  [server, client, stranger] = await Promise.all([newHost(), newHost(), newHost()]);
});

interface Seen {
  readonly peerId: string;
  readonly resumed: boolean;
  readonly cipher: string;
  readonly protocol: string | null;
  readonly serverName: string | false | null | undefined;
}

/** A server that notes who came, and lets him go. */
async function greeter(options: object = server.options) {
  const seen: (Seen | PeerError)[] = [];
  const { port } = await listening(options, (socket) => {
    seen.push(look(socket));
    socket.end('seen');
  });
  return { port, seen };
}

function look(socket: TLSSocket): Seen | PeerError {
  try {
    return {
      peerId: peerIdOfConnection(socket, { now }),
      resumed: socket.isSessionReused(),
      cipher: socket.getCipher().name,
      protocol: socket.getProtocol(),
      serverName: (socket as TLSSocket & { servername: string | false | null }).servername,
    };
  } catch (error) {
    if (error instanceof PeerError) return error;
    throw error;
  }
}

/** Connects as a client does that keeps sessions. @returns who the server is, and whether resumed */
async function visit(
  port: number,
  sessions: PeerSessions,
  options: ConnectionOptions = client.options,
  at = now,
) {
  const resumed = sessions.find(place, at);
  const socket = await connected(
    port,
    resumed ? { ...options, session: resumed.session } : options,
  );
  const peerId = sessions.accept(place, socket, { now: at, resumed });
  const isResumed = socket.isSessionReused();
  socket.resume();
  await once(socket, 'close');
  return { peerId, resumed: isResumed };
}

/** The options of a client that shows no certificate. */
const anonymousOptions = () => {
  const { ALPNProtocols, minVersion, rejectUnauthorized } = client.options;
  return { ALPNProtocols, minVersion, rejectUnauthorized };
};

const saying = (text: string) => ({
  code: 'PEER_IDENTITY',
  message: expect.stringContaining(text) as string,
});

const newSessions = () => new PeerSessions({ maxSessions: 10 });

test('both sides learn who the other is, by TLS 1.3, AES-128-GCM and no server name', async () => {
  const { port, seen } = await greeter();
  expect(await visit(port, newSessions())).toEqual({ peerId: server.peerId, resumed: false });
  expect(seen).toEqual([
    {
      peerId: client.peerId,
      resumed: false,
      cipher: 'TLS_AES_128_GCM_SHA256',
      protocol: 'TLSv1.3',
      serverName: false,
    },
  ]);
});

test('a peer that is not the one that is expected is refused on either side', async () => {
  const refusals: unknown[] = [];
  const check = { now, expected: stranger.peerId };
  const note = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      refusals.push(error);
    }
  };
  const { port } = await listening(server.options, (socket) => {
    note(() => peerIdOfConnection(socket, check));
    socket.end();
  });
  const socket = await connected(port, client.options);
  note(() => newSessions().accept(place, socket, check));
  socket.resume();
  await once(socket, 'close');
  for (const refusal of refusals) expect(refusal).toMatchObject(saying('was wanted'));
  expect(refusals).toHaveLength(2);
});

test('a client is told the certificate once, and a second look is refused', async () => {
  const { port } = await greeter();
  const socket = await connected(port, client.options);
  expect(peerIdOfConnection(socket, { now })).toBe(server.peerId);
  expect(() => peerIdOfConnection(socket, { now })).toThrow(/no certificate/);
});

describe('a session', () => {
  test('is resumed at another thread of the process, and both sides still know the other', async () => {
    const [first, second] = [await greeter(), await greeter(structuredClone(server.options))];
    const sessions = newSessions();
    await visit(first.port, sessions);
    for (const { port, seen } of [second, first, second]) {
      expect(await visit(port, sessions)).toEqual({ peerId: server.peerId, resumed: true });
      expect(seen.at(-1)).toMatchObject({ peerId: client.peerId, resumed: true });
    }
  });

  test('is not told by Node to the client, so that nothing is known without what was kept', async () => {
    const { port } = await greeter();
    const sessions = newSessions();
    await visit(port, sessions);
    const resumed = sessions.find(place, now);
    const socket = await connected(port, { ...client.options, session: resumed?.session });
    expect(socket.isSessionReused()).toBe(true);
    expect(socket.getPeerX509Certificate()).toBeUndefined();
    expect(() => peerIdOfConnection(socket, { now })).toThrow(/no certificate/);
    expect(peerIdOfConnection(socket, { now, resumed })).toBe(server.peerId);
  });

  test('does not make another server into the one from before', async () => {
    const { port } = await greeter();
    const other = await greeter(stranger.options);
    const sessions = newSessions();
    await visit(port, sessions);
    const expected = { peerId: stranger.peerId, resumed: false };
    expect(await visit(other.port, sessions)).toEqual(expected);
  });

  test('is not resumed after the server has started again with other ticket keys', async () => {
    const { port } = await greeter();
    const again = await greeter({ ...server.options, ticketKeys: newTicketKeys() });
    const sessions = newSessions();
    await visit(port, sessions);
    expect(await visit(again.port, sessions)).toEqual({ peerId: server.peerId, resumed: false });
  });

  test('keeps the client that began it, also when another would go on with it', async () => {
    const { port, seen } = await greeter();
    const sessions = newSessions();
    await visit(port, sessions);
    await visit(port, sessions, stranger.options);
    expect(seen.at(-1)).toMatchObject({ peerId: client.peerId, resumed: true });
  });

  test('without a certificate gives none when it is resumed', async () => {
    const { port, seen } = await greeter();
    const anonymous = anonymousOptions();
    const sessions = newSessions();
    await visit(port, sessions, anonymous);
    expect(await visit(port, sessions, anonymous)).toMatchObject({ resumed: true });
    expect(seen).toHaveLength(2);
    for (const refusal of seen) expect(refusal).toMatchObject(saying('showed no certificate'));
  });

  test('is resumed for an hour from its full handshake, however often', async () => {
    const { port } = await greeter();
    const sessions = newSessions();
    const after = (minutes: number) => new Date(now.getTime() + minutes * 60_000);
    const resumed = [];
    for (const minutes of [0, 50, 59, 61, 62]) {
      resumed.push((await visit(port, sessions, client.options, after(minutes))).resumed);
    }
    expect(resumed).toEqual([false, true, true, false, true]);
    expect(sessions.find(place, after(-1))).toBeUndefined();
  });

  test('is checked again for whether the certificate has expired', async () => {
    const { port } = await greeter();
    const sessions = newSessions();
    await visit(port, sessions);
    const resumed = sessions.find(place, now);
    const socket = await connected(port, { ...client.options, session: resumed?.session });
    const later = new Date(now.getTime() + 400 * 86_400_000);
    expect(() => peerIdOfConnection(socket, { now: later, resumed })).toThrow(/has expired/);
  });

  test('is forgotten when there are too many, or when it is asked', async () => {
    const { port } = await greeter();
    const sessions = new PeerSessions({ maxSessions: 1 });
    for (const name of ['one', 'two']) {
      const socket = await connected(port, client.options);
      sessions.accept(name, socket, { now });
      socket.resume();
      await once(socket, 'close');
    }
    expect(sessions.find('one', now)).toBeUndefined();
    expect(sessions.find('two', now)).toBeDefined();
    sessions.forget('two');
    expect(sessions.find('two', now)).toBeUndefined();
  });
});

describe('refused are', () => {
  const refusalOf = async (options: ConnectionOptions) => {
    const { port, seen } = await greeter();
    const socket = await connected(port, options);
    socket.resume();
    await once(socket, 'close');
    return seen[0];
  };

  test('a client without a certificate', async () => {
    const anonymous = anonymousOptions();
    expect(await refusalOf(anonymous)).toMatchObject(saying('showed no certificate'));
  });

  test('a client with two certificates', async () => {
    for (const more of [stranger, client]) {
      const cert = `${client.options.cert}\n${more.options.cert}`;
      expect(await refusalOf({ ...client.options, cert })).toMatchObject(
        saying('more than one certificate'),
      );
    }
  });

  test('a server with two certificates', async () => {
    for (const more of [stranger, server]) {
      const cert = `${server.options.cert}\n${more.options.cert}`;
      const { port } = await greeter({ ...server.options, cert });
      const socket = await connected(port, client.options);
      expect(() => peerIdOfConnection(socket, { now })).toThrow(/more than one certificate/);
    }
  });

  test('a client without an application protocol', async () => {
    expect(await refusalOf({ ...client.options, ALPNProtocols: [] })).toMatchObject(
      saying('did not agree on the application protocol libp2p'),
    );
  });

  test.each([
    ['another application protocol', { ALPNProtocols: ['h2'] }],
    ['TLS 1.2', { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'DEFAULT' } as const],
  ])('in the handshake, a client with %s', async (_, changes) => {
    const { port, seen } = await greeter();
    await expect(connected(port, { ...client.options, ...changes })).rejects.toThrow(/alert/);
    expect(seen).toEqual([]);
  });
});
