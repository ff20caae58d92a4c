import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Injection } from '../../../src/policy/index.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const make = (pieceCount: number, seed = 1) =>
  new Injection<string>({ random: seededRandom(seed) }, { pieceCount });

test('each piece is handed to one peer, and to each about as many as it takes', () => {
  const injection = make(100);
  const had = new Map<string, number[]>([
    ['slow', []],
    ['fast', []],
  ]);
  for (const peer of had.keys()) injection.addPeer(peer, undefined);
  const owed = new Map<string, number[]>([...had.keys()].map((peer) => [peer, []]));
  for (let step = 0; !injection.isDone; step++) {
    for (const [peer, pieces] of owed) {
      const handed = injection.hand(peer, 2, 0);
      had.get(peer)?.push(...handed);
      pieces.push(...handed);
      const got = peer === 'fast' || step % 4 === 0 ? pieces.shift() : undefined;
      if (got !== undefined) injection.onHave(peer, got, 0);
    }
  }
  const all = [...had.values()].flat();
  expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, piece) => piece));
  expect(had.get('fast')?.length).toBeGreaterThan(3 * (had.get('slow')?.length ?? 0));
});

test('what others have already is handed to nobody', () => {
  const injection = make(10);
  injection.addPeer('a', undefined);
  for (const piece of [0, 3, 5]) injection.onHave('b', piece, 0);
  expect(injection.hand('a', 10, 0).toSorted((a, b) => a - b)).toEqual([1, 2, 4, 6, 7, 8, 9]);
  expect(injection.hand('stranger', 10, 0)).toEqual([]);
});

test('what a peer was handed and did not get is handed to another when it goes, or after a while', () => {
  const injection = make(4);
  injection.addPeer('a', undefined);
  injection.addPeer('b', undefined);
  const lost = injection.hand('a', 4, 0);
  injection.expire(9_999);
  expect(injection.hand('b', 1, 9_999)).toEqual([]);
  injection.expire(10_000);
  expect(injection.hand('b', 1, 10_000)).toHaveLength(1);
  injection.removePeer('b');
  injection.addPeer('c', undefined);
  expect(injection.hand('c', 4, 10_000).toSorted()).toEqual(lost.toSorted());
});

test('where pieces are seen soon, one that is not is handed to another soon', () => {
  const injection = make(40);
  for (const peer of ['a', 'b']) injection.addPeer(peer, undefined);
  for (let at = 0; at < 20; at++) {
    const [piece = -1] = injection.hand('a', 1, at * 300);
    injection.onHave('a', piece, (at + 1) * 300);
  }
  const [kept] = injection.hand('a', 1, 10_000);
  injection.expire(11_499);
  expect(injection.hand('b', 20, 11_499)).not.toContain(kept);
  injection.expire(11_500);
  expect(injection.hand('b', 21, 11_500)).toContain(kept);
});

test('who did not have a piece in time is handed no other until it is seen to have one', () => {
  const injection = make(40);
  injection.addPeer('dead', undefined);
  expect(injection.hand('dead', 2, 0)).toHaveLength(2);
  injection.expire(10_000);
  expect(injection.hand('dead', 2, 10_000)).toEqual([]);
  injection.onHave('dead', 7, 11_000);
  expect(injection.hand('dead', 2, 11_000)).toHaveLength(2);
});

const anyStep = fc.record({
  what: fc.constantFrom('hand', 'hand', 'hand', 'have', 'have', 'come', 'go', 'expire'),
  peer: fc.constantFrom('a', 'b', 'c'),
  piece: fc.nat(19),
  most: fc.integer({ min: 0, max: 4 }),
});

test('whatever happens, no piece is in two hands, nobody has too many, and none is forgotten', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 100 }), fc.integer(), (steps, seed) => {
      const injection = make(20, seed);
      const seen = new Set<number>();
      const hands = new Map<number, { peer: string; atMs: number; isDoubtful: boolean }>();
      const peers = new Set<string>();
      let nowMs = 0;
      for (const { what, peer, piece, most } of steps) {
        nowMs += 1_000;
        if (what === 'come' && !peers.has(peer)) {
          injection.addPeer(peer, undefined);
          peers.add(peer);
        } else if (what === 'go') {
          injection.removePeer(peer);
          peers.delete(peer);
          for (const [at, handed] of hands) if (handed.peer === peer) hands.delete(at);
        } else if (what === 'have') {
          injection.onHave(peer, piece, nowMs);
          seen.add(piece);
          hands.delete(piece);
        } else if (what === 'expire') {
          injection.expire(nowMs);
          for (const [at, handed] of hands) {
            if (nowMs - handed.atMs >= 10_000) hands.delete(at);
            // It depends on how soon others were seen.
            else if (nowMs - handed.atMs >= 1_000) handed.isDoubtful = true;
          }
        } else {
          for (const at of injection.hand(peer, most, nowMs)) {
            expect(peers.has(peer)).toBe(true);
            expect(seen.has(at) || hands.get(at)?.isDoubtful === false).toBe(false);
            hands.set(at, { peer, atMs: nowMs, isDoubtful: false });
          }
          const own = [...hands.values()].filter(
            (handed) => handed.peer === peer && !handed.isDoubtful,
          );
          expect(own.length).toBeLessThanOrEqual(Math.max(most, 4));
        }
      }
      injection.addPeer('last', undefined);
      for (const at of injection.hand('last', 20, nowMs)) {
        hands.set(at, { peer: 'last', atMs: nowMs, isDoubtful: false });
      }
      expect(seen.union(new Set(hands.keys())).size).toBe(20);
      expect(injection.isDone).toBe(hands.size === 0);
      for (const at of hands.keys()) injection.onHave('last', at, nowMs);
      expect(injection.isDone).toBe(true);
    }),
    { numRuns: 300 },
  );
});
