import { once } from 'node:events';
import { connect as connectPlain, createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  Identity,
  makePeerCertificate,
  newTicketKeys,
  peerIdOfConnection,
  tlsOptions,
  type PeerTlsOptions,
} from '../../src/trust/index.ts';
import { Libp2pHost, type Libp2pConnection } from './libp2p-host.ts';

// js-libp2p (@libp2p/tls 3.1) speaks TLS 1.3 alone. As a client it offers its stream muxers and then
// `libp2p`; as a server it takes a muxer that it knows, or else `libp2p`, and when nothing is offered it
// goes on without. It wants the libp2p extension to be the first one of the certificate.

let us: { peerId: string; options: PeerTlsOptions };

beforeAll(async () => {
  const identity = Identity.generate();
  const certificate = await makePeerCertificate(identity, { now: new Date() });
  us = { peerId: identity.peerId, options: tlsOptions(certificate, newTicketKeys()) };
});

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function endingWithTest<T extends Socket>(socket: T): T {
  socket.on('error', () => undefined);
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}

interface Meeting {
  readonly ours: Promise<TLSSocket>;
  readonly theirs: Promise<Libp2pConnection>;
}

/** Who dials whom: our server and their client, or the other way round. */
const directions: Record<string, (them: Libp2pHost, expected?: string) => Promise<Meeting>> = {
  async 'they dial us'(them, expected) {
    const accepted = Promise.withResolvers<TLSSocket>();
    const server = createServer(us.options, (socket) => {
      accepted.resolve(endingWithTest(socket));
    });
    const socket = endingWithTest(connectPlain(await portOf(server), '127.0.0.1'));
    return { ours: accepted.promise, theirs: them.secure(socket, 'outbound', expected) };
  },
  async 'we dial them'(them, expected) {
    const theirs = Promise.withResolvers<Libp2pConnection>();
    const server = createPlainServer((socket) => {
      theirs.resolve(them.secure(endingWithTest(socket), 'inbound', expected));
    });
    const port = await portOf(server);
    const socket = endingWithTest(connect({ ...us.options, host: '127.0.0.1', port }));
    const ours = once(socket, 'secureConnect').then(() => socket);
    return { ours, theirs: theirs.promise };
  },
};

describe.each(Object.entries(directions))('when %s', (_, meet) => {
  test.each(['Ed25519', 'secp256k1'] as const)(
    'each side knows the other, whose key is %s, and they understand each other',
    async (type) => {
      const them = await Libp2pHost.create(type);
      const meeting = await meet(them, us.peerId);
      const [ours, theirs] = await Promise.all([meeting.ours, meeting.theirs]);
      expect(peerIdOfConnection(ours, { now: new Date() })).toBe(them.peerId);
      expect(theirs.remotePeer).toBe(us.peerId);
      expect([ours.getProtocol(), ours.alpnProtocol]).toEqual(['TLSv1.3', 'libp2p']);
      ours.write('from us');
      expect(await theirs.read()).toBe('from us');
      theirs.write('from them');
      expect(String(((await once(ours, 'data')) as [Buffer])[0])).toBe('from them');
    },
  );

  test('they refuse us when they wanted another', async () => {
    const [them, another] = await Promise.all([Libp2pHost.create(), Libp2pHost.create()]);
    const { ours, theirs } = await meet(them, another.peerId);
    await expect(theirs).rejects.toThrow(/[Uu]nexpected/);
    const socket = await ours;
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  });

  test('we refuse them when we wanted another', async () => {
    const them = await Libp2pHost.create();
    const { ours, theirs } = await meet(them);
    await theirs;
    const socket = await ours;
    const check = { now: new Date(), expected: us.peerId };
    expect(() => peerIdOfConnection(socket, check)).toThrow(`the peer is ${them.peerId}, and`);
  });

  test('we refuse a host with an RSA key, whose cost is for others to choose', async () => {
    const them = await Libp2pHost.create('RSA');
    const { ours, theirs } = await meet(them);
    await theirs;
    const socket = await ours;
    expect(() => peerIdOfConnection(socket, { now: new Date() })).toThrow(/RSA/);
  });
});
