import { once } from 'node:events';
import type WebTorrent from 'webtorrent';
import { ImageError } from '../../src/errors.ts';
import { listenFailure } from './listen-failure.ts';
import type { OfferedImage } from './offered-image.ts';
import { ReadOnlyChunkStore } from './read-only-chunk-store.ts';

export interface ClientInit {
  readonly host: string;
  readonly port: number;
  readonly uploadBytesPerSecond: number;
  readonly onWarning: (message: string, error: unknown) => void;
}

/** What is kept of read pieces, by each torrent. */
const cachedBytes = 32 << 20;

/** Makes webtorrent's client; the stack will end it. */
export async function startClient(
  Client: typeof WebTorrent,
  init: ClientInit,
  stack: AsyncDisposableStack,
): Promise<WebTorrent> {
  const { host, port, uploadBytesPerSecond } = init;
  const everywhere = host === '0.0.0.0' || host === '::';
  const client = new Client({
    torrentPort: { host, port },
    dht: false,
    lsd: false,
    utPex: false,
    utp: false,
    natUpnp: false,
    natPmp: false,
    webSeeds: false,
    // Without a list of its own, the WebRTC of webtorrent asks public STUN servers.
    tracker: { rtcConfig: { iceServers: [], ...(everywhere ? {} : { bindAddress: host }) } },
    uploadLimit: Number.isFinite(uploadBytesPerSecond) ? Math.round(uploadBytesPerSecond) : -1,
  });
  await once(client, 'listening').catch((cause: unknown) => {
    throw listenFailure('--port', init, cause);
  });
  stack.defer(() => destroy(client));
  client.on('error', (error) => {
    init.onWarning('webtorrent', error);
  });
  return client;
}

/** Ends all connections, and says so to the trackers. */
async function destroy(client: WebTorrent): Promise<void> {
  if (client.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  client.destroy(() => {
    resolve(undefined);
  });
  await promise;
}

/**
 * Lets the client offer an image, at these trackers and no others.
 * @throws ImageError when webtorrent would serve it by another info-hash
 */
export async function addTorrent(
  client: WebTorrent,
  { image, torrent, bytes }: OfferedImage,
  announce: readonly string[],
  onWarning: ClientInit['onWarning'],
): Promise<void> {
  const { layout } = torrent;
  const warn = (error: unknown) => {
    onWarning(image.imageId, error);
  };
  const added = client.add(bytes, {
    announce,
    // Every image was verified when it came into the store, and its pieces are when they are read.
    skipVerify: true,
    preloadedStore: new ReadOnlyChunkStore({ torrent, tree: image.tree, onFailure: warn }),
    storeCacheSlots: Math.max(2, Math.floor(cachedBytes / layout.pieceSizeBytes)),
  });
  added.on('warning', warn);
  if (!added.ready) await once(added, 'ready');
  added.on('error', warn);
  if (added.infoHash === layout.infoHash.toString('hex')) return;
  throw new ImageError(
    'IMAGE_METAINFO',
    `webtorrent reads another info-hash from the hybrid ${image.imageId}; bake it with --no-hybrid to offer it`,
    { evidence: { expected: layout.infoHash.toString('hex'), actual: added.infoHash } },
  );
}
