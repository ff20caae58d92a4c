import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { worthDoubling, type SourcePace } from '../../../src/policy/end-game.ts';

const rate = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1e9 }));
const anyPace: fc.Arbitrary<SourcePace> = fc.record({
  outstandingBytes: fc.nat(1e9),
  rateBytesPerSecond: rate,
  silentMs: fc.oneof(fc.nat(999), fc.nat(100_000)),
});
const pieceBytes = fc.integer({ min: 1, max: 1 << 24 });

/** What holds for one state of things must hold for another that speaks even more for doubling. */
function implies(before: boolean, after: boolean): void {
  expect(!before || after).toBe(true);
}

describe('a piece that is worth asking of a second source stays so when', () => {
  test('its owner owes more, or has been silent for longer', () => {
    fc.assert(
      fc.property(anyPace, anyPace, pieceBytes, fc.nat(1e9), (owner, helper, piece, more) => {
        const before = worthDoubling(owner, helper, piece);
        const owesMore = { ...owner, outstandingBytes: owner.outstandingBytes + more };
        implies(before, worthDoubling(owesMore, helper, piece));
        const silent = { ...owner, silentMs: owner.silentMs + more };
        implies(before, worthDoubling(silent, helper, piece));
      }),
    );
  });

  test('its owner is slower, or the second one faster', () => {
    fc.assert(
      fc.property(
        anyPace,
        anyPace,
        pieceBytes,
        fc.double({ min: 1, max: 1e3, noNaN: true }),
        (owner, helper, piece, factor) => {
          const before = worthDoubling(owner, helper, piece);
          const slower = { ...owner, rateBytesPerSecond: owner.rateBytesPerSecond / factor };
          implies(before, worthDoubling(slower, helper, piece));
          const faster = { ...helper, rateBytesPerSecond: helper.rateBytesPerSecond * factor };
          implies(before, worthDoubling(owner, faster, piece));
        },
      ),
    );
  });

  test('the second one owes less, or the piece is smaller', () => {
    fc.assert(
      fc.property(anyPace, anyPace, pieceBytes, (owner, helper, piece) => {
        const before = worthDoubling(owner, helper, piece);
        const idle = { ...helper, outstandingBytes: Math.floor(helper.outstandingBytes / 2) };
        implies(before, worthDoubling(owner, idle, piece));
        implies(before, worthDoubling(owner, helper, Math.ceil(piece / 2)));
      }),
    );
  });
});

test('two sources that are as fast as each other never double a piece that is coming', () => {
  fc.assert(
    fc.property(pieceBytes, rate, fc.nat(999), (piece, rateBytesPerSecond, silentMs) => {
      const owner = { outstandingBytes: piece, rateBytesPerSecond, silentMs };
      const helper = { outstandingBytes: 0, rateBytesPerSecond, silentMs: 0 };
      expect(worthDoubling(owner, helper, piece)).toBe(false);
    }),
  );
});

test('what a silent source owes is asked of whoever is there, fast or not known', () => {
  const owner = { outstandingBytes: 1, rateBytesPerSecond: 1e9, silentMs: 1_000 };
  const helper = { outstandingBytes: 1e9, rateBytesPerSecond: 0, silentMs: 0 };
  expect(worthDoubling(owner, helper, 1 << 24)).toBe(true);
});
