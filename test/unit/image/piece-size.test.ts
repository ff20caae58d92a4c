import { expect, test } from 'vitest';
import { choosePieceSize } from '../../../src/image/piece-size.ts';

const [kib, mib, gib] = [1 << 10, 1 << 20, 1 << 30];

test('pieces are from 64 KiB to 16 MiB, by the size of the image alone', () => {
  expect(choosePieceSize(0)).toBe(64 * kib);
  expect(choosePieceSize(128 * mib)).toBe(64 * kib);
  expect(choosePieceSize(128 * mib + 1)).toBe(128 * kib);
  expect(choosePieceSize(512 * mib)).toBe(256 * kib);
  expect(choosePieceSize(512 * mib + 1)).toBe(512 * kib);
  expect(choosePieceSize(gib)).toBe(512 * kib);
  expect(choosePieceSize(16 * gib)).toBe(8 * mib);
  expect(choosePieceSize(32 * gib)).toBe(16 * mib);
  expect(choosePieceSize(2 ** 50)).toBe(16 * mib);
});

test('a larger image never has smaller pieces, and each size is a power of two', () => {
  let before = 0;
  for (let size = 1; size < 2 ** 45; size *= 1.7) {
    const chosen = choosePieceSize(size);
    expect(Number.isInteger(Math.log2(chosen))).toBe(true);
    expect(chosen).toBeGreaterThanOrEqual(before);
    before = chosen;
  }
});
