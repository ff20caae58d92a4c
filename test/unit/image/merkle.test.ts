import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  blockBytes,
  blockCount,
  fileRoot,
  hashAt,
  hashBlocks,
  hashBytes,
  heightFor,
  layerAbove,
  pieceRoot,
  rootOf,
  zeroHash,
} from '../../../src/image/merkle.ts';
import { seededBytes } from '../../tools/seeded-random.ts';

const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();

/** BEP 52 word for word: leaves up to a power of two, then pairs, without any shortcut. */
function naiveRoot(leaves: readonly Buffer[], width: number): Buffer {
  let layer = Array.from({ length: width }, (_, index) => leaves[index] ?? Buffer.alloc(32));
  while (layer.length > 1) {
    layer = Array.from({ length: layer.length / 2 }, (_, index) =>
      sha256(Buffer.concat(layer.slice(2 * index, 2 * index + 2))),
    );
  }
  return layer[0] ?? Buffer.alloc(32);
}

const naiveLeaves = (data: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(data.length / 16_384) }, (_, index) =>
    sha256(data.subarray(index * 16_384, (index + 1) * 16_384)),
  );

const powerOfTwoFrom = (count: number): number => (count <= 1 ? 1 : 2 * powerOfTwoFrom(count / 2));

const aroundBoundaries = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64].flatMap((blocks) =>
  [-1, 0, 1].map((off) => blocks * blockBytes + off),
);

test('the root of a file is that of the specification, at every boundary of size', () => {
  const data = seededBytes(1, 65 * blockBytes);
  for (const sizeBytes of [1, ...aroundBoundaries]) {
    const file = data.subarray(0, sizeBytes);
    const leaves = naiveLeaves(file);
    const expected = naiveRoot(leaves, powerOfTwoFrom(leaves.length));
    expect(fileRoot(hashBlocks(file)).equals(expected), `of ${sizeBytes} bytes`).toBe(true);
  }
});

test('the piece layer of a file leads to its root, at every boundary of size', () => {
  const data = seededBytes(2, 65 * blockBytes);
  for (const pieceBytes of [blockBytes, 2 * blockBytes, 8 * blockBytes]) {
    for (const sizeBytes of aroundBoundaries.filter((size) => size > pieceBytes)) {
      const file = data.subarray(0, sizeBytes);
      const layer: Buffer[] = [];
      for (let start = 0; start < sizeBytes; start += pieceBytes) {
        const piece = file.subarray(start, Math.min(sizeBytes, start + pieceBytes));
        const root = pieceRoot(hashBlocks(piece), pieceBytes / blockBytes, false);
        expect(root.equals(naiveRoot(naiveLeaves(piece), pieceBytes / blockBytes))).toBe(true);
        layer.push(root);
      }
      const [low, high] = [heightFor(pieceBytes / blockBytes), heightFor(blockCount(sizeBytes))];
      const root = rootOf(Buffer.concat(layer), low, high);
      expect(root.equals(fileRoot(hashBlocks(file))), `of ${sizeBytes} bytes`).toBe(true);
    }
  }
});

test('any number of leaves has the root that the naive tree has', () => {
  const leaf = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((hash) => Buffer.from(hash));
  fc.assert(
    fc.property(fc.array(leaf, { minLength: 1, maxLength: 70 }), (leaves) => {
      const expected = naiveRoot(leaves, powerOfTwoFrom(leaves.length));
      expect(fileRoot(Buffer.concat(leaves)).equals(expected)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('a file of one block has the hash of its content as its root', () => {
  const data = Buffer.from('one byte more than nothing');
  expect(fileRoot(hashBlocks(data)).equals(sha256(data))).toBe(true);
});

test('zero hashes are the roots of trees of zero leaves', () => {
  for (const height of [0, 1, 2, 5]) {
    expect(zeroHash(height).equals(naiveRoot([], 2 ** height))).toBe(true);
  }
  expect(() => zeroHash(41)).toThrow(RangeError);
});

test('the height is the logarithm of the next power of two, also beyond 2^32 leaves', () => {
  expect([0, 1, 2, 3, 4, 5, 8, 9].map(heightFor)).toEqual([0, 0, 1, 2, 2, 3, 3, 4]);
  for (let power = 1; power <= 39; power++) {
    expect(heightFor(2 ** power)).toBe(power);
    expect(heightFor(2 ** power + 1)).toBe(power + 1);
  }
});

test('a layer that is too long for a root is no layer of it', () => {
  expect(() => rootOf(Buffer.alloc(3 * hashBytes), 0, 1)).toThrow(RangeError);
});

test('beyond its end a layer has the hashes of zero leaves', () => {
  const layer = layerAbove(seededBytes(3, 3 * hashBytes), 0);
  expect(layer.length).toBe(2 * hashBytes);
  expect(Buffer.from(hashAt(layer, 1, 1)).equals(layer.subarray(hashBytes))).toBe(true);
  expect(hashAt(layer, 2, 1)).toEqual(zeroHash(1));
});
