const smallestBytes = 64 << 10;
const largestBytes = 16 << 20;

/**
 * Enough pieces that the last one costs little time against the whole, few enough that their hashes
 * and messages stay small.
 */
const mostPieces = 2_048;

/**
 * The piece size for an image of this size: a power of two from 64 KiB to 16 MiB. It depends on
 * nothing but the size, in steps of two, so that releases of about the same size have the same.
 */
export function choosePieceSize(imageBytes: number): number {
  let size = smallestBytes;
  while (size < largestBytes && imageBytes > size * mostPieces) size *= 2;
  return size;
}
