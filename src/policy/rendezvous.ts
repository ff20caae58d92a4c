/**
 * Rendezvous hashing (Thaler, Ravishankar 1998): whoever knows the same numbers puts them into the
 * same order for a key, and when one of them goes the others keep theirs.
 */

/** @returns the number that is first in the order for this key; undefined when there is none */
export function rendezvousFirst(key: number, among: readonly number[]): number | undefined {
  let first: number | undefined;
  for (const one of among) {
    if (first === undefined || isBefore(one, first, key)) first = one;
  }
  return first;
}

/** How many of the others stand before `one` in the order for this key. */
export function rendezvousRank(key: number, one: number, among: readonly number[]): number {
  let rank = 0;
  for (const other of among) if (other !== one && isBefore(other, one, key)) rank += 1;
  return rank;
}

function isBefore(one: number, other: number, key: number): boolean {
  const [hash, otherHash] = [mixed(key, one), mixed(key, other)];
  return hash > otherHash || (hash === otherHash && one < other);
}

/** Both numbers mixed into 32 bits, finalized twice. */
const mixed = (key: number, one: number): number => finalize(finalize(key + 1) ^ (one + 1)) >>> 0;

/** Spreads a number over all 32 bits (the finalizer of MurmurHash3). */
export function finalize(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
