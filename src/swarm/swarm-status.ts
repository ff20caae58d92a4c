import type { ReceivedFrom } from './peer-tally.ts';

/** Where a swarm stands, for people and programs. Sizes in bytes. */
export interface SwarmStatus {
  readonly imageId: string;
  readonly state: SwarmState;
  /** Why it is paused, or failed; or, while it needs peers and has none, what came of the last one. */
  readonly reason: string | undefined;
  readonly name: string | undefined;
  readonly sizeBytes: number | undefined;
  readonly pieces: number | undefined;
  readonly verifiedPieces: number;
  readonly verifiedBytes: number;
  /** Taken over from other images of this host, and verified. */
  readonly reusedBytes: number;
  /** All payload that came from peers, also what was not needed. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Of a seed that handed the image out: each piece has come to a peer, so it can do without us. */
  readonly isOut: boolean;
  /** The payload that came, by how far it came. */
  readonly receivedFrom: Readonly<ReceivedFrom>;
  readonly peers: number;
  /** From whom payload came. */
  readonly sources: readonly { readonly peer: string; readonly receivedBytes: number }[];
}

/**
 * `metadata`: asks peers for the info dictionary; `layers`: for the hashes of the pieces;
 * `checking`: hashes what is on disk already; `fetching`; `paused`: the disk takes nothing;
 * `completing`: brings the image into the store; `seeding`: it is whole.
 */
export type SwarmState =
  | 'metadata'
  | 'layers'
  | 'checking'
  | 'fetching'
  | 'paused'
  | 'completing'
  | 'seeding'
  | 'failed'
  | 'closed';
