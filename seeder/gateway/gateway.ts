import { v1MagnetLink, type ImageStore } from '../../src/image/index.ts';
import { loadWebTorrent } from './load-webtorrent.ts';
import { offeredImage, type OfferedImage } from './offered-image.ts';
import { addTorrent, startClient } from './torrent-client.ts';
import { checkTrackerUrls, ownTrackerUrls } from './tracker-urls.ts';
import { startWebsocketTracker, type WebsocketTracker } from './websocket-tracker.ts';

export interface GatewayInit {
  /** Ids of images of the store. */
  readonly images: readonly string[];
  /** Where it listens, for TCP peers, WebRTC and the WebSocket tracker. */
  readonly host: string;
  /** 0: the system gives one. */
  readonly port: number;
  /** BitTorrent trackers to announce at; there are no others. */
  readonly trackers: readonly string[];
  /** Where the gateway's own tracker listens, for browsers; undefined: there is none. */
  readonly websocketTrackerPort: number | undefined;
  readonly uploadBytesPerSecond: number;
  readonly onWarning: (message: string, error: unknown) => void;
}

export interface OfferedTorrent {
  /** The image id. */
  readonly id: string;
  /** Of the v1 swarm, in hex. */
  readonly infoHash: string;
  readonly magnet: string;
}

export interface Gateway extends AsyncDisposable {
  readonly port: number;
  /** The URL of its own tracker, for browsers. */
  readonly websocketTracker: string | undefined;
  /** Whether browsers can fetch: false where WebRTC's native library is missing. */
  readonly webRtc: boolean;
  readonly torrents: readonly OfferedTorrent[];
  readonly sentBytes: number;
}

/**
 * Offers images of the store to ordinary BitTorrent clients over TCP (BEP 3, 6, 10; metadata by
 * BEP 9) and, by WebRTC, to browsers. It finds peers at the given trackers only: DHT, LSD, PEX,
 * UPnP, NAT-PMP and STUN are off. The store is read, never written.
 * @throws ConfigError for an address or a tracker that can't be used; ImageError, StorageError for
 * an image that can't be offered; the signal's reason
 */
export async function startGateway(
  components: { readonly store: ImageStore },
  init: GatewayInit,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Gateway> {
  checkTrackerUrls(init.trackers);
  const offered: OfferedImage[] = [];
  for (const id of new Set(init.images)) {
    offered.push(await offeredImage(await components.store.read(id), options));
  }
  const { WebTorrent, webRtcFailure } = await loadWebTorrent();
  options.signal?.throwIfAborted();
  if (webRtcFailure !== undefined) {
    init.onWarning('browsers can not fetch, only TCP is offered: no WebRTC', webRtcFailure);
  }
  await using stack = new AsyncDisposableStack();
  const tracker = await ownTracker(init, offered);
  if (tracker !== undefined) stack.use(tracker);
  const client = await startClient(WebTorrent, init, stack);
  const own = tracker && ownTrackerUrls(init.host, tracker.port);
  const announce = [...init.trackers, ...(own?.announce ?? [])];
  for (const one of offered) await addTorrent(client, one, announce, init.onWarning);
  options.signal?.throwIfAborted();
  const trackers = [...init.trackers, ...(own?.public ?? [])];
  const ending = stack.move();
  const torrents = client.torrents;
  return {
    port: client.address()?.port ?? 0,
    websocketTracker: own?.webSocket,
    webRtc: webRtcFailure === undefined,
    torrents: offered.map(({ image, torrent: { layout } }) => ({
      id: image.imageId,
      infoHash: layout.infoHash.toString('hex'),
      magnet: v1MagnetLink({ infoHash: layout.infoHash, name: layout.name, trackers }),
    })),
    get sentBytes() {
      return torrents.reduce((sum, torrent) => sum + torrent.uploaded, 0);
    },
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  };
}

async function ownTracker(
  init: GatewayInit,
  offered: readonly OfferedImage[],
): Promise<WebsocketTracker | undefined> {
  if (init.websocketTrackerPort === undefined) return undefined;
  return await startWebsocketTracker({
    host: init.host,
    port: init.websocketTrackerPort,
    infoHashes: new Set(offered.map(({ torrent }) => torrent.layout.infoHash.toString('hex'))),
    onWarning: (error) => {
      init.onWarning('the tracker for browsers', error);
    },
  });
}
