import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { FastifyBaseLogger } from 'fastify';
import { CertificateFiles, type Certificate } from './certificate-files.ts';

export interface TlsServerComponents {
  /** What serves HTTP on the connections when they are sealed. */
  readonly server: HttpServer;
  readonly log: FastifyBaseLogger;
}

export interface TlsServerInit {
  readonly certPath: string;
  readonly keyPath: string;
  readonly lookIntervalMs: number;
  readonly handshakeTimeoutMs: number;
  readonly maxConnections: number;
}

type Serve = (this: HttpServer, socket: Socket) => void;

/**
 * Speaks TLS, and hands what is said in it to an HTTP server, which has one set of limits for plain
 * and sealed connections. It listens at a port of its own, or is given connections that another
 * listener has found to begin with TLS.
 */
export class TlsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #files: CertificateFiles;
  /** Connections that are not the HTTP server's yet, by where they come from. */
  readonly #handshakes = new Map<string, Socket>();

  private constructor(server: Server, files: CertificateFiles) {
    this.#server = server;
    this.#files = files;
  }

  /**
   * Reads the certificate; does not listen. To be made before anything else takes the connections
   * of the HTTP server.
   * @throws ConfigError for files that can't be used
   */
  static async open(components: TlsServerComponents, init: TlsServerInit): Promise<TlsServer> {
    const { server: http, log } = components;
    const serveHttp = http.listeners('connection') as Serve[];
    const files = await CertificateFiles.open({
      certPath: init.certPath,
      keyPath: init.keyPath,
      intervalMs: init.lookIntervalMs,
      onChange: (certificate) => {
        server.setSecureContext(contextOf(certificate));
        log.info({ certPath: init.certPath }, 'the certificate was changed');
      },
      onWarning: (error) => {
        log.error(
          { err: error },
          "the certificate was changed and can't be used: that from before stays",
        );
      },
    });
    const server = createServer({
      ...contextOf(files.first),
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: init.handshakeTimeoutMs,
      noDelay: true,
    });
    server.maxConnections = init.maxConnections;
    const opened = new TlsServer(server, files);
    server.on('connection', (socket: Socket) => {
      const from = originOf(socket);
      opened.#handshakes.set(from, socket);
      socket.once('close', () => opened.#handshakes.delete(from));
    });
    server.on('tlsClientError', (error, socket) => {
      log.debug({ err: error, remote: socket.remoteAddress }, 'a TLS handshake failed');
      socket.destroy();
    });
    server.on('secureConnection', (socket: TLSSocket) => {
      opened.#handshakes.delete(originOf(socket));
      for (const serve of serveHttp) serve.call(http, socket);
    });
    return opened;
  }

  /** Takes over a connection that begins with TLS; what was read of it was put back. */
  accept(socket: Socket): void {
    // HTTP lets clients end their half first; in TLS that is the end, as of any connection here.
    socket.allowHalfOpen = false;
    this.#server.emit('connection', socket);
  }

  /** @returns the port @throws what the system says */
  async listen(host: string, port: number): Promise<number> {
    const listening = once(this.#server, 'listening');
    this.#server.listen({ host, port, backlog: 4_096 });
    await listening;
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /**
   * Takes no more connections, and cuts those whose handshake is not done. Returns when the others
   * have ended, which the HTTP server sees to.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const server = this.#server;
    const closed = server.listening ? once(server, 'close') : undefined;
    server.close();
    for (const socket of this.#handshakes.values()) socket.destroy();
    await this.#files[Symbol.asyncDispose]();
    await closed;
  }
}

const contextOf = (certificate: Certificate) =>
  ({ ...certificate, minVersion: 'TLSv1.2' }) as const;

const originOf = ({ remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress ?? ''} ${remotePort ?? ''}`;
