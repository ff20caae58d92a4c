import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitfield } from '../../../src/policy/bitfield.ts';
import { PiecePicker } from '../../../src/policy/piece-picker.ts';
import { seededRandom } from '../../tools/seeded-random.ts';

const fieldOf = (length: number, pieces: Iterable<number>): Bitfield => {
  const field = new Bitfield(length);
  for (const piece of pieces) field.add(piece);
  return field;
};

const pieceCount = 24;
const anyField = fc.uniqueArray(fc.nat(pieceCount - 1));
const anyStep = fc.oneof(
  fc.record({ type: fc.constant('come' as const), pieces: anyField }),
  fc.record({ type: fc.constant('go' as const), peer: fc.nat() }),
  fc.record({ type: fc.constant('have' as const), peer: fc.nat(), piece: fc.nat(pieceCount - 1) }),
  fc.record({ type: fc.constant('pick' as const), peer: fc.nat() }),
  fc.record({ type: fc.constant('take' as const), piece: fc.nat(pieceCount - 1) }),
  fc.record({ type: fc.constant('restore' as const), piece: fc.nat(pieceCount - 1) }),
);

test('whatever happens, a pick is a rarest of the wanted pieces that the peer has', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(anyStep, { maxLength: 60 }), (seed, steps) => {
      const picker = new PiecePicker(pieceCount, seededRandom(seed));
      const wanted = new Set(Array.from({ length: pieceCount }, (_, piece) => piece));
      const peers: Bitfield[] = [];
      const availability = (piece: number) => peers.filter((peer) => peer.has(piece)).length;
      for (const step of steps) {
        const peer = 'peer' in step ? peers[step.peer % peers.length] : undefined;
        if (step.type === 'come') {
          peers.push(fieldOf(pieceCount, step.pieces));
          picker.changeAvailabilityOfAll(fieldOf(pieceCount, step.pieces), 1);
        } else if (step.type === 'go' && peer !== undefined) {
          peers.splice(peers.indexOf(peer), 1);
          picker.changeAvailabilityOfAll(peer, -1);
        } else if (step.type === 'have' && peer?.add(step.piece)) {
          picker.changeAvailability(step.piece, 1);
        } else if (step.type === 'take') {
          picker.take(step.piece);
          wanted.delete(step.piece);
        } else if (step.type === 'restore') {
          picker.restore(step.piece);
          wanted.add(step.piece);
        } else if (step.type === 'pick' && peer !== undefined) {
          const candidates = [...wanted].filter((piece) => peer.has(piece));
          const rarest = Math.min(...candidates.map(availability));
          const picked = picker.pick(peer);
          if (candidates.length === 0) expect(picked).toBeUndefined();
          else expect(candidates.filter((at) => availability(at) === rarest)).toContain(picked);
          if (picked !== undefined) wanted.delete(picked);
        }
        expect(picker.wantedCount).toBe(wanted.size);
        for (let piece = 0; piece < pieceCount; piece++) {
          expect(picker.isWanted(piece)).toBe(wanted.has(piece));
          expect(picker.availability(piece)).toBe(availability(piece));
        }
      }
    }),
    { numRuns: 200 },
  );
});

const order = (seed: number, count: number): (number | undefined)[] => {
  const picker = new PiecePicker(count, seededRandom(seed));
  return Array.from({ length: count }, () => picker.pick(Bitfield.full(count)));
};

test('the same random numbers give the same order', () => {
  expect(order(5, 100)).toEqual(order(5, 100));
  expect(order(5, 100)).not.toEqual(order(6, 100));
});

test('ties are broken at random: every piece comes first about as often', () => {
  const [pieces, rounds] = [8, 4_000];
  const first = new Array<number>(pieces).fill(0);
  const random = seededRandom(11);
  for (let round = 0; round < rounds; round++) {
    const piece = new PiecePicker(pieces, random).pick(Bitfield.full(pieces)) ?? 0;
    first[piece] = (first[piece] ?? 0) + 1;
  }
  for (const count of first) {
    expect(count).toBeGreaterThan(0.8 * (rounds / pieces));
    expect(count).toBeLessThan(1.2 * (rounds / pieces));
  }
});

test('each piece is picked once, until it is given back', () => {
  const picker = new PiecePicker(50, seededRandom(1));
  const all = Bitfield.full(50);
  expect(new Set(Array.from({ length: 50 }, () => picker.pick(all))).size).toBe(50);
  expect(picker.pick(all)).toBeUndefined();
  picker.restore(7);
  expect(picker.pick(all)).toBe(7);
});

test('an image without pieces has nothing to pick', () => {
  expect(new PiecePicker(0, seededRandom(1)).pick(new Bitfield(0))).toBeUndefined();
});
