import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { listenFailure } from './listen-failure.ts';

/** More than an announce with its ten offers takes. */
const maxMessageBytes = 1 << 20;

/**
 * A tracker for browsers: it hands the offers and answers of WebRTC from one peer to the other over
 * WebSocket, and serves plain HTTP announces (BEP 3) at the same port. It knows only the torrents
 * that it is told of.
 */
export interface WebsocketTracker extends AsyncDisposable {
  readonly port: number;
}

/**
 * @param init `onWarning` hears of requests that were refused
 * @throws ConfigError when it can't listen there
 */
export async function startWebsocketTracker(init: {
  readonly host: string;
  readonly port: number;
  /** In hex. */
  readonly infoHashes: ReadonlySet<string>;
  readonly onWarning: (error: unknown) => void;
}): Promise<WebsocketTracker> {
  const { default: Server } = await import('bittorrent-tracker/server');
  const server = new Server({
    udp: false,
    http: true,
    ws: { clientTracking: true, maxPayload: maxMessageBytes },
    stats: false,
    filter: (infoHash, _parameters, callback) => {
      callback(
        init.infoHashes.has(infoHash) ? null : new Error('this torrent is not offered here'),
      );
    },
  });
  server.on('warning', init.onWarning);
  // It tells twice of a port that is taken: by HTTP, and by WebSocket on it.
  const failed = new Promise<never>((_resolve, reject) => {
    server.on('error', (error) => {
      reject(error as Error);
      if (server.listening) init.onWarning(error);
    });
  });
  const listening = Promise.race([once(server, 'listening'), failed]);
  server.listen(init.port, init.host);
  await listening.catch((cause: unknown) => {
    throw listenFailure('--websocket-tracker', init, cause);
  });
  return {
    port: (server.http.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      server.close(() => {
        resolve(undefined);
      });
      for (const client of server.ws.clients) client.terminate();
      server.http.closeAllConnections();
      await promise;
    },
  };
}
