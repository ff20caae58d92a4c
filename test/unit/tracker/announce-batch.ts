import { expect } from 'vitest';
import { announceAnswerSchema, type AnnounceBatch } from '../../../src/swarm/announce-batch.ts';
import type { SwarmClaim, SwarmProgress } from '../../../src/swarm/index.ts';
import type { Tracker } from '../../../tracker/index.ts';

export const infoHash = 'e9'.repeat(20);

/** What a host says that has fetched `verifiedPieces` of ten. */
export const progressOf = (
  verifiedPieces: number,
  changes: Partial<SwarmProgress> = {},
): SwarmProgress => ({
  state: verifiedPieces === 10 ? 'seeding' : 'fetching',
  pieces: 10,
  verifiedPieces,
  receivedBytesPerSecond: 1_000,
  sources: { rack: 1, zone: 2, fleet: 3, origin: 4, reused: 5 },
  ...changes,
});

/** Announces the swarm `infoHash` as the host of a number, at the port of that number. */
export async function announceHost(
  tracker: Tracker,
  number: number,
  claim: Partial<SwarmClaim> = {},
  changes: Partial<AnnounceBatch> = {},
) {
  const progress = progressOf(0);
  const batch: AnnounceBatch = {
    peerId: number.toString(16).padStart(40, '0'),
    port: number,
    sealed: true,
    host: `host-${number}`,
    zone: 'north',
    rack: `r${number % 2}`,
    swarms: [{ infoHash, leftBytes: 10 - progress.verifiedPieces, progress, ...claim }],
    ...changes,
  };
  const response = await fetch(`${tracker.url}/announces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(batch),
  });
  expect(response.status).toBe(200);
  return announceAnswerSchema.parse(await response.json());
}
