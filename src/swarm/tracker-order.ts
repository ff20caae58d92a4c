import { createHash } from 'node:crypto';
import { rendezvousRank } from '../policy/index.ts';

/**
 * The trackers of an image, the one that is responsible first: every host finds the same order, each
 * tracker is the first for an equal part of all images, and when one goes only its part moves
 * (rendezvous hashing).
 * @param infoHash at least 4 bytes
 */
export function trackerOrder(trackers: readonly string[], infoHash: Buffer): string[] {
  const key = infoHash.readUInt32BE(0);
  const numbers = new Map(trackers.map((url) => [url, numberOf(url)]));
  const all = [...numbers.values()];
  const rank = (url: string) => rendezvousRank(key, numbers.get(url) ?? 0, all);
  return [...numbers.keys()].toSorted((a, b) => rank(a) - rank(b));
}

/** However it is written, it is the same tracker. */
const numberOf = (url: string): number =>
  createHash('sha256').update(plainUrl(url)).digest().readUInt32BE(0);

function plainUrl(url: string): string {
  const { href } = URL.canParse(url) ? new URL(url) : { href: url };
  return href.replace(/\/announce\/?$/, '').replace(/\/+$/, '');
}
