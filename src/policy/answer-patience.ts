import type { SourcePace } from './end-game.ts';

/** Of a source that has sent nothing yet, or sends slowly, nobody can tell sooner. */
const mostMs = 20_000;
const leastMs = 2_000;
const times = 4;

/**
 * How long a source that owes something may send nothing until it is given up: some times as long as
 * all that it owes takes at its rate, and a while in any case. A host that lost its power says nothing,
 * and what it owes should not wait for the end of the image.
 */
export function answerPatienceMs({ outstandingBytes, rateBytesPerSecond }: SourcePace): number {
  if (rateBytesPerSecond === 0) return mostMs;
  const dueMs = (outstandingBytes * 1_000) / rateBytesPerSecond;
  return Math.min(mostMs, leastMs + times * dueMs);
}
