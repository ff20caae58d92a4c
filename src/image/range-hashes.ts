import type { ImageFile } from './image-info.ts';
import { blockCount, hashBytes, heightFor, layerAbove, rootOf } from './merkle.ts';
import type { Metainfo } from './torrent-file.ts';

/**
 * What an aligned range of a file is known by: the root of the merkle subtree over it, whose leaves
 * beyond the end of the file are zero (BEP 52, 'pieces root' and 'piece layers'). Two subtrees of
 * one height with the same root have the same leaves in the same places; a leaf is the hash of a
 * block with nothing added to it; so the two ranges have the same bytes, and the same length.
 *
 * Across heights that does not hold: 64 bytes of content can have the hash of two hashes. So only
 * hashes of one height are ever compared.
 */

/** The height of the subtree over one piece of this size. */
export const pieceHeight = (pieceSizeBytes: number): number =>
  heightFor(blockCount(pieceSizeBytes));

/**
 * The subtree roots of a file at `height`, one after the other, from its metainfo alone.
 *
 * A file that fits in one range has its own root lifted there: BEP 52 ends the tree of a file of one
 * piece at the height of its blocks, and pads the last piece of a longer file with zero leaves up to
 * the height of a piece; pairing the lower root with zero subtrees gives the higher.
 * @returns undefined for an empty file, and for a longer file whose pieces are larger than the range:
 * the hashes below a piece are not kept, so such a file is known as a whole only.
 */
export function rangeHashes(
  metainfo: Metainfo,
  file: ImageFile,
  height: number,
): Buffer | undefined {
  if (file.root === undefined) return undefined;
  const fileHeight = heightFor(blockCount(file.sizeBytes));
  if (fileHeight <= height) return rootOf(file.root, fileHeight, height);
  const layerHeight = pieceHeight(metainfo.info.pieceSizeBytes);
  let layer = metainfo.pieceLayers.get(file.root.toString('hex'));
  if (layerHeight > height || layer === undefined) return undefined;
  for (let at = layerHeight; at < height; at++) layer = layerAbove(layer, at);
  return layer;
}

/** The length of the range at `index` of a file that is cut into ranges of `rangeBytes`. */
export const rangeLength = (fileBytes: number, index: number, rangeBytes: number): number =>
  Math.min(rangeBytes, fileBytes - index * rangeBytes);

/**
 * What to look a range up by. The length goes in as well: by the hash it follows from the content,
 * but metainfo only says it, and it may lie.
 */
export function rangeKey(hashes: Buffer, index: number, lengthBytes: number): string {
  const start = index * hashBytes;
  return `${hashes.toString('latin1', start, start + hashBytes)}${lengthBytes}`;
}

/** Every range of a file at the height of `rangeBytes`, with its key. */
export function* rangesOf(
  metainfo: Metainfo,
  file: ImageFile,
  rangeBytes: number,
): Generator<{ readonly index: number; readonly key: string; readonly hashes: Buffer }> {
  const hashes = rangeHashes(metainfo, file, pieceHeight(rangeBytes));
  if (hashes === undefined) return;
  const count = Math.ceil(file.sizeBytes / rangeBytes);
  for (let index = 0; index < count; index++) {
    const lengthBytes = rangeLength(file.sizeBytes, index, rangeBytes);
    yield { index, key: rangeKey(hashes, index, lengthBytes), hashes };
  }
}

/**
 * The pieces of an image that have the same bytes, in groups of two and more: when one of a group is
 * here, the others can be copied from it. Also the only piece of a short file and the last of a
 * longer one are found to be the same.
 */
export function duplicatesWithin(metainfo: Metainfo): number[][] {
  const groups = new Map<string, number[]>();
  for (const file of metainfo.info.files) {
    for (const { index, key } of rangesOf(metainfo, file, metainfo.info.pieceSizeBytes)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [file.firstPiece + index]);
      else group.push(file.firstPiece + index);
    }
  }
  return [...groups.values()].filter((group) => group.length > 1);
}
