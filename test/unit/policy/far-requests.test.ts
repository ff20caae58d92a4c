import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FarRequests, rendezvousFirst, rendezvousRank } from '../../../src/policy/index.ts';

const pieceCount = 64;
const pieces = Array.from({ length: pieceCount }, (_, piece) => piece);

/** What each gateway of a rack may ask of another rack at a moment, when nobody near has anything. */
function shares(slots: readonly number[], nowMs: number, known = new FarRequests({ pieceCount })) {
  return slots.map((slot) => {
    const others = slots.filter((other) => other !== slot);
    return pieces.filter((piece) =>
      known.mayAsk({ piece, level: 1, gateways: { slot, others }, nowMs, pieceMs: 100 }),
    );
  });
}

test('each piece is in the share of one gateway, and each gateway has about as many', () => {
  const all = shares([0, 1, 2, 3], 1_000);
  expect(all.flat().toSorted((a, b) => a - b)).toEqual(pieces);
  for (const share of all) expect(share.length).toBeGreaterThan(6);
});

test('what has not come after a while is asked for by the next, and at last by who is no gateway', () => {
  const known = new FarRequests({ pieceCount });
  const asked = (nowMs: number, slot: number | undefined) =>
    pieces.filter((piece) =>
      known.mayAsk({
        piece,
        level: 1,
        gateways: { slot, others: [1, 2].filter((other) => other !== slot) },
        nowMs,
        pieceMs: 100,
      }),
    );
  const own = asked(1_000, 1);
  expect(own.length).toBeLessThan(pieceCount);
  expect(asked(1_599, 1)).toEqual(own);
  expect(asked(1_600, 1)).toEqual(pieces);
  expect(asked(2_799, undefined)).toEqual([]);
  expect(asked(2_800, undefined).length).toBeGreaterThan(0);
});

test('nothing is asked of one who is far that one who is near has', () => {
  const known = new FarRequests({ pieceCount });
  const alone = { slot: 0, others: [] };
  const may = (piece: number, level: 1 | 2) =>
    known.mayAsk({ piece, level, gateways: alone, nowMs: 1, pieceMs: 1 });
  known.change(0, 3, 1);
  known.change(1, 4, 1);
  known.change(2, 5, 1);
  expect([3, 4, 5].map((piece) => may(piece, 1))).toEqual([false, true, true]);
  expect([3, 4, 5].map((piece) => may(piece, 2))).toEqual([false, false, true]);
  known.change(0, 3, -1);
  expect(may(3, 2)).toBe(true);
});

test('the order of a key is one order, and is kept when one goes', () => {
  fc.assert(
    fc.property(fc.nat(), fc.uniqueArray(fc.nat(50), { minLength: 1 }), (key, all) => {
      const order = all.toSorted(
        (a, b) => rendezvousRank(key, a, all) - rendezvousRank(key, b, all),
      );
      expect(order.map((one) => rendezvousRank(key, one, all))).toEqual([...all.keys()]);
      expect(rendezvousFirst(key, all)).toBe(order[0]);
      expect(rendezvousFirst(key, order.slice(1))).toBe(order[1]);
    }),
  );
});
