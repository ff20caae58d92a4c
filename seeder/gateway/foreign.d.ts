/**
 * What the gateway uses of webtorrent 3 and of bittorrent-tracker 11, which bring no types of their
 * own; @types/webtorrent describes version 0.
 */
declare module 'webtorrent' {
  import type { EventEmitter } from 'node:events';

  /** An abstract-chunk-store, as far as a torrent that has everything asks of it. */
  export interface ChunkStore {
    readonly chunkLength: number;
    get(
      index: number,
      options: { offset?: number; length?: number } | null | GetCallback,
      callback?: GetCallback,
    ): void;
    put(index: number, data: Uint8Array, callback: (error: Error | null) => void): void;
    close(callback: (error: Error | null) => void): void;
    destroy(callback: (error: Error | null) => void): void;
  }
  export type GetCallback = (error: Error | null, data?: Uint8Array) => void;

  /** A connection to a peer (bittorrent-protocol), as the event `wire` gives it. */
  export interface Wire extends EventEmitter {
    /** `webrtc`, `tcpOutgoing`, `tcpIncoming` */
    readonly type: string;
  }

  export interface Torrent extends EventEmitter {
    readonly infoHash: string;
    readonly ready: boolean;
    readonly done: boolean;
    readonly uploaded: number;
    addPeer(peer: string): boolean;
  }

  export interface TrackerOptions {
    /** What RTCPeerConnection is made with; libdatachannel also takes `bindAddress`. */
    readonly rtcConfig?: {
      readonly iceServers: readonly { urls: string }[];
      readonly bindAddress?: string;
    };
  }

  export default class WebTorrent extends EventEmitter {
    static readonly WEBRTC_SUPPORT: boolean;
    readonly torrents: readonly Torrent[];
    readonly destroyed: boolean;
    constructor(options: {
      /** Handed to net.Server.listen as it is, which takes the address to listen at, too. */
      torrentPort?: number | { readonly port: number; readonly host: string };
      dht?: boolean;
      lsd?: boolean;
      utPex?: boolean;
      utp?: boolean;
      natUpnp?: boolean;
      natPmp?: boolean;
      webSeeds?: boolean;
      /** Encrypted connections (PE): 0 none, 1 (the default) what it opens, 2 all. */
      secure?: 0 | 1 | 2;
      tracker?: TrackerOptions | false;
      /** Bytes a second; -1: unlimited. */
      uploadLimit?: number;
    });
    add(
      torrent: Uint8Array | string,
      options: {
        announce?: readonly string[];
        skipVerify?: boolean;
        preloadedStore?: ChunkStore;
        storeCacheSlots?: number;
        path?: string;
      },
    ): Torrent;
    address(): { readonly port: number } | null;
    destroy(callback: (error?: Error | null) => void): void;
  }
}

declare module 'bittorrent-tracker/server' {
  import type { EventEmitter } from 'node:events';
  import type { Server as HttpServer } from 'node:http';

  export default class Server extends EventEmitter {
    readonly http: HttpServer;
    readonly listening: boolean;
    readonly ws: { readonly clients: ReadonlySet<{ terminate(): void }> };
    constructor(options: {
      udp: boolean;
      http: boolean;
      ws: { readonly clientTracking: boolean; readonly maxPayload: number };
      stats: boolean;
      filter: (
        infoHash: string,
        parameters: unknown,
        callback: (error: Error | null) => void,
      ) => void;
    });
    listen(port: number, host: string): void;
    close(callback: () => void): void;
  }
}
