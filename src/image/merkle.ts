import { hash } from 'node:crypto';

/**
 * Merkle trees of BEP 52: SHA-256, two children, leaves are the hashes of blocks of 16 KiB, leaves
 * beyond the end of the file are zero. A *layer* is the hashes of one height in one buffer of
 * 32 bytes each; layer 0 holds the leaves.
 */
export const blockBytes = 16_384;
export const hashBytes = 32;

/** SHA-256 of `data`, 32 bytes. */
export const sha256 = (data: Uint8Array): Buffer => hash('sha256', data, 'buffer');

/** Heights above this would be files of over 2^53 bytes. */
const maxHeight = 40;

/** `zeroHashes[h]`: the root of a tree of height h whose leaves are all zero. */
const zeroHashes: readonly Buffer[] = (() => {
  const hashes: Buffer[] = [Buffer.alloc(hashBytes)];
  for (let height = 0; height < maxHeight; height++) {
    const child = hashes[height] ?? Buffer.alloc(hashBytes);
    hashes.push(sha256(Buffer.concat([child, child])));
  }
  return hashes;
})();

/** The root of a tree of height `height` whose leaves are all beyond the end of the file. */
export function zeroHash(height: number): Buffer {
  const found = zeroHashes[height];
  if (found === undefined) throw new RangeError(`no merkle tree is ${height} high`);
  return found;
}

/** How high a tree must be to hold `leaves`: the logarithm of the next power of two. */
export function heightFor(leaves: number): number {
  let height = 0;
  // No bit operations: a file of 64 TiB has more than 2^32 leaves.
  for (let room = 1; room < leaves; room *= 2) height += 1;
  return height;
}

/** How many blocks a file, or a piece, of this size has. */
export const blockCount = (sizeBytes: number): number => Math.ceil(sizeBytes / blockBytes);

/** The leaves over `data`: one hash for each block, the last may be short. */
export function hashBlocks(data: Uint8Array): Buffer {
  const leaves = Buffer.allocUnsafe(blockCount(data.length) * hashBytes);
  for (let offset = 0, at = 0; offset < data.length; offset += blockBytes, at += hashBytes) {
    leaves.set(sha256(data.subarray(offset, Math.min(offset + blockBytes, data.length))), at);
  }
  return leaves;
}

/** The layer above `layer`, whose height is `height`; an odd end is paired with zero leaves. */
export function layerAbove(layer: Uint8Array, height: number): Buffer {
  const count = layer.length / hashBytes;
  const above = Buffer.allocUnsafe(Math.ceil(count / 2) * hashBytes);
  const pair = 2 * hashBytes;
  for (let index = 0, at = 0; index < count; index += 2, at += hashBytes) {
    const start = index * hashBytes;
    const children =
      index + 1 < count
        ? layer.subarray(start, start + pair)
        : Buffer.concat([layer.subarray(start), zeroHash(height)]);
    above.set(sha256(children), at);
  }
  return above;
}

/**
 * The root over `layer`, whose hashes stand at height `height`, when the tree is `rootHeight` high.
 * What lies beyond the end of `layer` is zero leaves.
 */
export function rootOf(layer: Uint8Array, height: number, rootHeight: number): Buffer {
  let current = layer;
  for (let at = height; at < rootHeight; at++) current = layerAbove(current, at);
  if (current.length !== hashBytes) throw new RangeError('the layer is too long for this root');
  return Buffer.from(current);
}

/** The merkle root of a file (`pieces root`) from all its leaves. */
export const fileRoot = (leaves: Uint8Array): Buffer =>
  rootOf(leaves, 0, heightFor(leaves.length / hashBytes));

/**
 * The hash that stands for one piece: a full subtree of the piece's height in a file of several
 * pieces, the file's own root in a file of one.
 */
export function pieceRoot(leaves: Uint8Array, blocksPerPiece: number, onlyPiece: boolean): Buffer {
  return onlyPiece ? fileRoot(leaves) : rootOf(leaves, 0, heightFor(blocksPerPiece));
}

/** The hash at `index` of a layer; beyond its end, zero leaves. */
export function hashAt(layer: Uint8Array, index: number, height: number): Uint8Array {
  const start = index * hashBytes;
  return start < layer.length ? layer.subarray(start, start + hashBytes) : zeroHash(height);
}
