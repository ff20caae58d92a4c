import type { GatewaySlots, Place } from '../src/policy/index.ts';
import type { SwarmProgress } from '../src/swarm/index.ts';

/** What a peer says of itself. The strings are binary strings: one character a byte. */
export interface Announcement {
  /** 20 bytes; for v2 the first 20 of the info-hash (BEP 52). */
  readonly infoHash: string;
  /** 4 or 16 bytes: where the announcement came from. */
  readonly address: string;
  readonly port: number;
  /** 20 bytes. */
  readonly peerId: string;
  readonly leftBytes: number;
  readonly event: AnnounceEvent;
  /** How many other peers it would like to be told of. */
  readonly wanted: number;
  readonly transport: Transport;
  /** Of a host of the fleet: where it stands. It is told of its ties in the graph of its fleet. */
  readonly standing?: Standing | undefined;
  /** How many of its ties a host of the fleet can't reach. */
  readonly missing?: number | undefined;
  /** Whether it can be told only of peers that have an address of the same kind (BEP 15). */
  readonly sameFamily?: boolean;
}

/** What only hosts of a fleet say, to trackers of ours. */
export interface Standing {
  readonly place: Place;
  readonly host: string | undefined;
  readonly progress: SwarmProgress | undefined;
}

/** How a peer speaks: inside TLS with members of its fleet, or as every BitTorrent client does. */
export type Transport = 'sealed' | 'plain';

/** BEP 3; `none` is the regular announce, `paused` that of a partial seed (BEP 21). */
export type AnnounceEvent = 'none' | 'started' | 'stopped' | 'completed' | 'paused';

export interface Counts {
  /** Peers that have everything. */
  readonly seeds: number;
  readonly downloaders: number;
  /** How many became complete while we watched. */
  readonly completed: number;
}

export interface ListedPeer {
  /** Address and port as in compact peer lists: 6 bytes, or 18 for IPv6. */
  readonly endpoint: string;
  readonly peerId: string;
  readonly leftBytes: number;
  readonly lastSeenMs: number;
  readonly transport: Transport;
  readonly standing?: Standing | undefined;
}

/** What becomes of an announcement; `full` when there is no room for a new peer. */
export type AnnounceResult =
  | (Counts & {
      readonly peers: readonly ListedPeer[];
      /** Of a host of the fleet: whom it should be connected to, and what it stands for. */
      readonly ties?: readonly ListedPeer[];
      readonly slots?: GatewaySlots;
      /** Who can stand in for the ties that it can't reach. */
      readonly spares?: readonly ListedPeer[];
      /** The interval that the peer was told before, or now, if it is new. */
      readonly toldMs: number;
    })
  | 'full';
