import type { Endpoint } from '../../src/swarm/index.ts';

export type TorrentSource = { readonly torrent: Uint8Array } | { readonly magnet: string };

/**
 * A foreign BitTorrent client, kept off the network: it listens at 127.0.0.1, and DHT, LSD, PEX, uTP
 * and port mapping are off. What it started ends with the test.
 */
export interface TorrentClient {
  readonly name: string;
  /** Whether it lays out files that have no content. */
  readonly makesEmptyFiles: boolean;
  /**
   * Fetches a torrent from one peer; returns when all of it is verified and on disk, in `into` under
   * the torrent's name, and the client has ended.
   */
  fetch(source: TorrentSource, peer: Endpoint, into: string): Promise<void>;
  /** Seeds what lies in `directory` under the torrent's name. @returns the port it listens at */
  seed(torrent: Uint8Array, directory: string): Promise<number>;
}
