import { rendezvousFirst } from './rendezvous.ts';

/**
 * When a host turns to the origin (a web seed, BEP 19), and which of the hosts that may do so asks
 * it for which piece. The origin is the one source that does not grow with the fleet, so that it is
 * the last to be asked.
 */

/** What a host knows of a swarm when it decides whether the origin is needed. */
export interface OriginNeed {
  /** How long it has been looking for peers. */
  readonly lookedMs: number;
  /** Whether it has anybody else to look for: a tracker, or peers that it was told of. */
  readonly hasOtherSources: boolean;
  /** Connected peers that have everything. */
  readonly seeds: number;
  /** What all peers together send, as measured. */
  readonly swarmBytesPerSecond: number;
  /** What the origin sends, as measured; 0: it was never asked. */
  readonly originBytesPerSecond: number;
}

/** `missing`: only for pieces that no connected peer has; `rarest`: for any, rarest first. */
export type OriginUse = 'nothing' | 'missing' | 'rarest';

/** A host that has just come knows nobody yet; the seeds answer within this. */
const patienceMs = 2_000;
/** As many bytes lie in a row that one asker fetches, so that its requests are not small. */
const runBytes = 4 << 20;
/** There are at least so many runs, so that several askers have about equal parts. */
const fewestRuns = 64;

/** What the origin is needed for at the moment. */
export function originUse(need: OriginNeed): OriginUse {
  if (need.hasOtherSources && need.lookedMs < patienceMs) return 'nothing';
  if (need.seeds === 0) return 'missing';
  return need.originBytesPerSecond > need.swarmBytesPerSecond ? 'rarest' : 'nothing';
}

/** How many neighbouring pieces are fetched by one asker. The same for all hosts of an image. */
export function originRunPieces(image: { pieceSizeBytes: number; pieceCount: number }): number {
  const wanted = Math.floor(runBytes / image.pieceSizeBytes);
  return Math.max(1, Math.min(wanted, Math.floor(image.pieceCount / fewestRuns)));
}

/**
 * Which slot asks the origin for this run of pieces: the one with the highest hash together with it
 * (rendezvous hashing: Thaler, Ravishankar 1998). Whoever knows the same slots finds the same one,
 * and when a slot goes only its own runs move.
 * @returns undefined when there are no slots
 */
export const originAsker = (run: number, slots: readonly number[]): number | undefined =>
  rendezvousFirst(run, slots);

/** How much may be taken from an origin: a number of copies of the image, or bytes. */
export type OriginBudget = { readonly copies: number } | { readonly bytes: number };

/** @returns 0 as long as the size decides and is not known (0) */
export const budgetBytes = (budget: OriginBudget, sizeBytes: number): number =>
  'bytes' in budget ? budget.bytes : Math.floor(budget.copies * sizeBytes);
