import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { FrontConnection, type FrontLimits } from './front-connection.ts';
import type { HttpAnnounces } from './http-announces.ts';
import type { TrackerMetrics } from './metrics.ts';

export interface AnnounceFrontComponents {
  readonly server: Server;
  readonly announces: HttpAnnounces;
  readonly metrics: TrackerMetrics;
}

type Serve = (this: Server, socket: Socket) => void;

/**
 * Answers plain announces and scrapes on the connections of an HTTP server before node:http reads
 * them, which costs a fraction. What it can't answer so it hands to the HTTP server.
 */
export class AnnounceFront {
  /** Connections that are not the HTTP server's. */
  readonly #connections = new Set<FrontConnection>();
  #closing = false;

  constructor(components: AnnounceFrontComponents, init: FrontLimits) {
    const { server } = components;
    const http = server.listeners('connection') as Serve[];
    const context = {
      ...components,
      handOver: (socket: Socket) => {
        for (const serve of http) serve.call(server, socket);
      },
      connections: this.#connections,
    };
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      // Who comes that late is told by HTTP that the server closes.
      if (this.#closing) context.handOver(socket);
      else this.#connections.add(new FrontConnection(socket, context, init));
    });
  }

  /** Ends the connections that it still has: each is between two requests. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#connections) connection.end();
  }
}
