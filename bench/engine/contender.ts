import type { WithRounds } from '../rounds/index.ts';
import type { BenchPeer } from './bench-peer.ts';
import type { Figures } from './figures.ts';

/** A way to run: a peer, perhaps in several numbers. */
export interface Contender {
  readonly peer: BenchPeer;
  readonly fetchers: number;
}

/** The figures of one contender, by round. */
export type ContenderRounds = WithRounds<Contender, Figures>;
