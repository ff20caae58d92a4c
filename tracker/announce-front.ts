import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { FrontConnection, type FrontLimits } from './front-connection.ts';
import type { HttpAnnounces } from './http-announces.ts';
import type { TrackerMetrics } from './metrics.ts';

export interface AnnounceFrontComponents {
  readonly server: Server;
  readonly announces: HttpAnnounces;
  readonly metrics: TrackerMetrics;
  /** Takes connections that begin with TLS; without it they are HTTP's to refuse. */
  readonly acceptTls?: ((socket: Socket) => void) | undefined;
}

/** The first byte of a TLS record with a handshake (RFC 8446, "5.1. Record Layer"); of HTTP it is none. */
const tlsHandshake = 0x16;

type Serve = (this: Server, socket: Socket) => void;

/**
 * Answers plain announces and scrapes on the connections of an HTTP server before node:http reads
 * them, which costs a fraction. What it can't answer so it hands to the HTTP server, and TLS to who
 * speaks it.
 */
export class AnnounceFront {
  /** Connections that are not the HTTP server's. */
  readonly #connections = new Set<FrontConnection>();
  #closing = false;

  constructor(components: AnnounceFrontComponents, init: FrontLimits) {
    const { server, acceptTls } = components;
    const http = server.listeners('connection') as Serve[];
    const serveHttp = (socket: Socket) => {
      for (const serve of http) serve.call(server, socket);
    };
    const context = {
      ...components,
      handOver: (socket: Socket, begin: Buffer) => {
        if (acceptTls !== undefined && begin[0] === tlsHandshake) {
          // TLS takes what was read out of the socket itself.
          acceptTls(socket);
        } else {
          serveHttp(socket);
          socket.resume();
        }
      },
      connections: this.#connections,
    };
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      // Who comes that late is told by HTTP that the server closes.
      if (this.#closing) serveHttp(socket);
      else this.#connections.add(new FrontConnection(socket, context, init));
    });
  }

  /** Ends the connections that it still has: each is between two requests. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.end();
  }
}
