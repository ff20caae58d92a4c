/** How a source does with what it was asked for. */
export interface SourcePace {
  readonly outstandingBytes: number;
  readonly rateBytesPerSecond: number;
  /** How long nothing has come of what it owes. */
  readonly silentMs: number;
}

/** A source that sends nothing for so long may be slow, or gone. */
const patienceMs = 1_000;
/** Doubling costs bandwidth: the helper has to be so much faster. */
const factor = 2;
const marginMs = 100;

/**
 * Whether a piece that one source owes should be asked of a second too: only when nothing is left to
 * begin, and only where the second will very likely be done long before the first.
 */
export function worthDoubling(owner: SourcePace, helper: SourcePace, pieceBytes: number): boolean {
  if (owner.silentMs >= patienceMs) return true;
  if (owner.rateBytesPerSecond === 0 || helper.rateBytesPerSecond === 0) return false;
  const ownerMs = (owner.outstandingBytes * 1_000) / owner.rateBytesPerSecond;
  const helperBytes = helper.outstandingBytes + pieceBytes;
  const helperMs = (helperBytes * 1_000) / helper.rateBytesPerSecond;
  return ownerMs > factor * helperMs + marginMs;
}
