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
import type { Admission, SealedPeer } from './admission.ts';
import { CredentialFrameReader } from './credential-frame.ts';
import type { Transport } from './data-protocol.ts';
import { PendingPeers } from './pending-peers.ts';

const dialTimeoutMs = 5_000;
/** For the TLS handshake and the credential together. */
const sealTimeoutMs = 10_000;
/** One read buffer for all connections of a thread: each read is used up before the next. */
const readBytes = 256 << 10;
const maxSessions = 1_000;

export interface OpenedSocket {
  readonly socket: Socket;
  /** Of a sealed connection: who it is. */
  readonly peer: SealedPeer | undefined;
}

/**
 * Opens connections: plain TCP, or TLS 1.3 where both sides prove their libp2p peer id with their
 * certificate and must be members: by name, or by a credential that each shows the other before
 * anything else is said, also when a session is resumed. There is no way from sealed to plain: a
 * connection that can't be sealed is none.
 */
export class TransportLayer {
  #tls: PeerTlsOptions | undefined;
  readonly #sealedServers = new Set<SealedServer>();
  readonly #admission: Admission;
  readonly #pending = new PendingPeers({ timeoutMs: sealTimeoutMs });
  readonly #readBuffer = Buffer.allocUnsafeSlow(readBytes);
  /** Sessions that can be resumed, by endpoint (RFC 8446, section 2.2). */
  readonly #sessions = new PeerSessions({ maxSessions });

  constructor(components: { admission: Admission }, init: { tls: PeerTlsOptions | undefined }) {
    this.#tls = init.tls;
    this.#admission = components.admission;
  }

  /** Closes the connections that were not let in yet. */
  close(): void {
    this.#pending.close();
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
   * @param onOpen called once the connection stands, and its peer was let in if it is sealed; what it
   *   throws refuses the peer
   * @param onBytes takes what is read; the bytes hold only during the call
   */
  dial(
    init: { transport: Transport; host: string; port: number },
    onOpen: (opened: OpenedSocket) => void,
    onBytes: (chunk: Buffer) => void,
    onRefused: (error: Error) => void,
  ): Socket {
    const { transport, host, port } = init;
    const flow = { take: onBytes };
    const onread = {
      buffer: this.#readBuffer,
      callback: (count: number, buffer: Uint8Array): boolean => {
        flow.take(buffer.subarray(0, count) as Buffer);
        return true;
      },
    };
    const common = { host, port, onread, timeout: dialTimeoutMs };
    if (transport === 'plain') {
      const socket = connectPlain(common);
      socket.once('connect', () => {
        socket.setTimeout(0);
        onOpen({ socket, peer: undefined });
      });
      socket.on('timeout', () => socket.destroy(tooSlow(host, port)));
      return socket;
    }
    return this.#dialSealed(common, flow, onOpen, onRefused);
  }

  /** @param flow takes what is read: first of all the credential, where one is asked for */
  #dialSealed(
    common: { host: string; port: number },
    flow: { take: (chunk: Buffer) => void },
    onOpen: (opened: OpenedSocket) => void,
    onRefused: (error: Error) => void,
  ): TLSSocket {
    const place = `${common.host} ${common.port}`;
    const resumed = this.#sessions.find(place, new Date());
    const session = resumed === undefined ? {} : { session: resumed.session };
    const options = { ...common, ...this.#sealOptions, ...session };
    const socket = connectSealed(options);
    const attempt = attemptsOn(socket, (error) => {
      this.#sessions.forget(place);
      onRefused(error);
    });
    const open = (peer: SealedPeer) => {
      onOpen({ socket, peer });
      socket.setTimeout(0);
    };
    socket.on('timeout', () => socket.destroy(tooSlow(common.host, common.port)));
    socket.once('secureConnect', () => {
      attempt(() => {
        const peerId = this.#sessions.accept(place, socket, { now: new Date(), resumed });
        this.#admission.checkPeer(peerId);
        if (!this.#admission.asksForCredential) {
          open({ peerId, claims: undefined });
          return;
        }
        const { take } = flow;
        const ask = this.#asking(peerId, (claims) => {
          flow.take = take;
          open({ peerId, claims });
        });
        flow.take = (chunk) => {
          attempt(() => {
            ask(chunk);
          });
        };
        socket.setNoDelay(true).write(this.#admission.ownFrame);
      });
    });
    return socket;
  }

  /**
   * Takes what a peer sends until it has shown a credential.
   * @returns what throws PeerError when the peer shows none, or one that is not good
   */
  #asking(
    peerId: string,
    onAdmitted: (claims: SealedPeer['claims']) => void,
  ): (chunk: Buffer) => void {
    const reader = new CredentialFrameReader();
    return (chunk) => {
      const credential = reader.push(chunk);
      if (credential === undefined) return;
      onAdmitted(this.#admission.admit(credential, peerId, new Date()));
    };
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
            onOpen({ socket, peer: undefined });
          });
    server.listen({ host, port, reusePort: true });
    await once(server, 'listening');
    return server;
  }

  #sealedServer(onOpen: (opened: OpenedSocket) => void, onRefused: (error: Error) => void): Server {
    const server = createSealedServer({ ...this.#sealOptions, handshakeTimeout: sealTimeoutMs });
    this.#sealedServers.add(server);
    server.once('close', () => this.#sealedServers.delete(server));
    this.#pending.watch(server);
    server.on('secureConnection', (socket) => {
      this.#receive(socket, onOpen, onRefused);
    });
    server.on('tlsClientError', (error, socket) => {
      onRefused(new PeerError('PEER_IDENTITY', `a peer could not be sealed: ${error.message}`));
      socket.destroy();
    });
    return server;
  }

  /** Who connects shows its credential first, and who is refused is told nothing. */
  #receive(
    socket: TLSSocket,
    onOpen: (opened: OpenedSocket) => void,
    onRefused: (error: Error) => void,
  ): void {
    const attempt = attemptsOn(socket, onRefused);
    const open = (peer: SealedPeer) => {
      this.#pending.admitted(socket);
      onOpen({ socket, peer });
    };
    attempt(() => {
      const peerId = peerIdOfConnection(socket, { now: new Date() });
      this.#admission.checkPeer(peerId);
      if (!this.#admission.asksForCredential) {
        open({ peerId, claims: undefined });
        return;
      }
      const ask = this.#asking(peerId, (claims) => {
        socket.off('data', onData);
        socket.setNoDelay(true).write(this.#admission.ownFrame);
        open({ peerId, claims });
      });
      const onData = (chunk: Buffer) => {
        attempt(() => {
          ask(chunk);
        });
      };
      // Nobody waits for this connection yet; who does later hears of errors too.
      socket.on('error', () => undefined);
      socket.on('data', onData);
    });
  }
}

/** Makes what runs a step of letting a peer in; a step that throws ends the connection. */
const attemptsOn =
  (socket: TLSSocket, onRefused: (error: Error) => void) =>
  (step: () => void): void => {
    try {
      step();
    } catch (error) {
      onRefused(error as Error);
      socket.destroy();
    }
  };

const tooSlow = (host: string, port: number): PeerError =>
  new PeerError('PEER_TIMEOUT', `${host}:${port} does not answer`);
