/**
 * What benches carry: trees of random bytes that are the same for the same seed, baked as an image and
 * described as torrents, and a look at whether what arrived is what was sent. Nothing is carried here.
 */
export { makeSmallFiles, sketchSmallFiles } from './make-tree.ts';
export {
  makePayload,
  type Payload,
  type PayloadInit,
  type PayloadKind,
  type V1Payload,
} from './payload.ts';
export { RandomStream } from './random-stream.ts';
export { firstDifference, listTree, type ListedFile } from './tree-listing.ts';
export { encodeV1, hashV1, infoHashV1, type V1Info } from './v1-torrent.ts';
