import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  connect,
  createServer,
  type ConnectionOptions,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { onTestFinished } from 'vitest';
import {
  Identity,
  makePeerCertificate,
  newTicketKeys,
  tlsOptions,
} from '../../../src/trust/index.ts';
import type { PeerTlsOptions } from '../../../src/trust/index.ts';

/** A host with an identity, and its options as a worker thread gets them. */
export interface TestHost {
  readonly peerId: string;
  readonly options: PeerTlsOptions;
}

export async function newHost(now = new Date()): Promise<TestHost> {
  const identity = Identity.generate();
  const certificate = await makePeerCertificate(identity, { now });
  const options = structuredClone(tlsOptions(certificate, newTicketKeys()));
  return { peerId: identity.peerId, options };
}

/** A server at a port of its own that is gone when the test is over. */
export async function listening(
  options: object,
  onConnection: (socket: TLSSocket) => void,
): Promise<{ port: number; server: Server }> {
  const server = createServer(options, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

/** A connection after its handshake on the client's side, gone when the test is over. */
export async function connected(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ ...options, host: '127.0.0.1', port });
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  return socket;
}
