import { once } from 'node:events';
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import {
  connect as connectSealed,
  createServer as createSealedServer,
  type Server as SealedServer,
  type TLSSocket,
} from 'node:tls';
import { PeerError } from '../../errors.ts';
import { peerIdOfConnection, PeerSessions, type PeerTlsOptions } from '../../trust/sealed.ts';
import type { Transport } from './data-protocol.ts';

const dialTimeoutMs = 5_000;
const sealTimeoutMs = 10_000;
/** One read buffer for all connections of a thread: each read is used up before the next. */
const readBytes = 256 << 10;
const maxSessions = 1_000;
/**
 * Connections of a listener that may be in their handshake at a time. The oldest gives way to a new
 * one, so that those who connect and say nothing keep nobody out: an honest handshake is short.
 */
export const maxHandshakes = 64;

/** Who may be spoken with on the sealed transport; undefined: nobody is known yet. */
export type IsMember = (peerId: string) => boolean;

export interface OpenedSocket {
  readonly socket: Socket;
  /** Of a sealed connection: the peer id that the certificate proves. */
  readonly identity: string | undefined;
}

/**
 * Opens connections: plain TCP, or TLS 1.3 where both sides prove their libp2p peer id with their
 * certificate and must be members. There is no way from sealed to plain: a connection that can't be
 * sealed is none.
 */
export class TransportLayer {
  #tls: PeerTlsOptions | undefined;
  readonly #sealedServers = new Set<SealedServer>();
  readonly #isMember: IsMember;
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytes);
  /** Sessions that can be resumed, by endpoint (RFC 8446, section 2.2). */
  readonly #sessions = new PeerSessions({ maxSessions });

  constructor(components: { isMember: IsMember }, init: { tls: PeerTlsOptions | undefined }) {
    this.#tls = init.tls;
    this.#isMember = components.isMember;
  }

  /** Changes what new connections are sealed with; those that stand are left as they are. */
  setTls(tls: PeerTlsOptions): void {
    this.#tls = tls;
    for (const server of this.#sealedServers) server.setSecureContext(tls);
  }

  get #sealOptions(): PeerTlsOptions {
    if (this.#tls === undefined) {
      throw new PeerError('PEER_IDENTITY', 'this host has no identity, so it can seal nothing');
    }
    return this.#tls;
  }

  /**
   * Connects. The socket is destroyed when it does not work out; its 'close' tells.
   * @param onOpen called once the connection stands, and is sealed if it is to be
   * @param onBytes takes what is read; the bytes hold only during the call
   */
  dial(
    init: { transport: Transport; host: string; port: number },
    onOpen: (opened: OpenedSocket) => void,
    onBytes: (chunk: Buffer) => void,
    onRefused: (error: Error) => void,
  ): Socket {
    const { transport, host, port } = init;
    const onread = {
      buffer: this.#readBuffer,
      callback: (count: number, buffer: Uint8Array): boolean => {
        onBytes(buffer.subarray(0, count) as Buffer);
        return true;
      },
    };
    const common = { host, port, onread, timeout: dialTimeoutMs };
    if (transport === 'plain') {
      const socket = connectPlain(common);
      socket.once('connect', () => {
        socket.setTimeout(0);
        onOpen({ socket, identity: undefined });
      });
      socket.on('timeout', () => socket.destroy(tooSlow(host, port)));
      return socket;
    }
    return this.#dialSealed(common, onOpen, onRefused);
  }

  #dialSealed(
    common: { host: string; port: number },
    onOpen: (opened: OpenedSocket) => void,
    onRefused: (error: Error) => void,
  ): TLSSocket {
    const place = `${common.host} ${common.port}`;
    const resumed = this.#sessions.find(place, new Date());
    const session = resumed === undefined ? {} : { session: resumed.session };
    const options = { ...common, ...this.#sealOptions, ...session };
    const socket = connectSealed(options);
    socket.on('timeout', () => socket.destroy(tooSlow(common.host, common.port)));
    socket.once('secureConnect', () => {
      socket.setTimeout(0);
      const identify = () => this.#sessions.accept(place, socket, { now: new Date(), resumed });
      if (!this.#admit(socket, identify, onOpen, onRefused)) this.#sessions.forget(place);
    });
    return socket;
  }

  /** Lets a sealed peer in, if it is a member. */
  #admit(
    socket: TLSSocket,
    identify: () => string,
    onOpen: (opened: OpenedSocket) => void,
    onRefused: (error: Error) => void,
  ): boolean {
    try {
      const identity = identify();
      if (!this.#isMember(identity)) throw notMember(identity);
      onOpen({ socket, identity });
      return true;
    } catch (error) {
      onRefused(error as Error);
      socket.destroy();
      return false;
    }
  }

  /**
   * Listens, beside others at the same port if they do so too.
   * @throws as listen(2)
   */
  async listen(
    init: { transport: Transport; host: string; port: number },
    onOpen: (opened: OpenedSocket) => void,
    onRefused: (error: Error) => void,
  ): Promise<Server> {
    const { transport, host, port } = init;
    const server =
      transport === 'sealed'
        ? this.#sealedServer(onOpen, onRefused)
        : createServer((socket) => {
            onOpen({ socket, identity: undefined });
          });
    server.listen({ host, port, reusePort: true });
    await once(server, 'listening');
    return server;
  }

  #sealedServer(onOpen: (opened: OpenedSocket) => void, onRefused: (error: Error) => void): Server {
    const server = createSealedServer({ ...this.#sealOptions, handshakeTimeout: sealTimeoutMs });
    this.#sealedServers.add(server);
    server.once('close', () => this.#sealedServers.delete(server));
    boundHandshakes(server);
    server.on('secureConnection', (socket) => {
      const identify = () => peerIdOfConnection(socket, { now: new Date() });
      this.#admit(socket, identify, onOpen, onRefused);
    });
    server.on('tlsClientError', (error, socket) => {
      onRefused(new PeerError('PEER_IDENTITY', `a peer could not be sealed: ${error.message}`));
      socket.destroy();
    });
    return server;
  }
}

const tooSlow = (host: string, port: number): PeerError =>
  new PeerError('PEER_TIMEOUT', `${host}:${port} does not answer`);

function boundHandshakes(server: Server): void {
  // The sealed socket is another than the one below it, but their other end is the same.
  const endOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`;
  const pending = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const end = endOf(socket);
    pending.set(end, socket);
    socket.once('close', () => {
      if (pending.get(end) === socket) pending.delete(end);
    });
    if (pending.size <= maxHandshakes) return;
    for (const oldest of pending.values()) {
      oldest.destroy();
      return;
    }
  });
  server.on('secureConnection', (socket: Socket) => pending.delete(endOf(socket)));
}

const notMember = (peerId: string): PeerError =>
  new PeerError('PEER_NOT_MEMBER', `${peerId} is not a member of this fleet`, {
    evidence: { peerId },
  });
