/**
 * What an image is: baking a tree, its manifest, info dictionary, merkle trees and id, and the
 * folder where whole images lie. It knows no network; how images travel is in ../swarm.
 */
export * from './bencode.ts';
export { bake, type BakeInit, type BakeOptions, type BakeProgress } from './bake.ts';
export { forEachConcurrently } from './concurrency.ts';
export { durable, type Durability, type TreeDurability } from './durability.ts';
export { hashFiles, type FileToHash, type HashedFile } from './hash-files.ts';
export { imageIdOf, infoHashOf, looksLikeImageId } from './image-id.ts';
export {
  maxInfoBytes,
  parseInfo,
  type ImageFile,
  type ImageInfo,
  type ImageLink,
} from './image-info.ts';
export { ImageStore, readManifest, removeTree, type StoredImage } from './image-store.ts';
export { describeInfo, inspect, type ImageDescription } from './inspect.ts';
export { makeV1Torrent, type MakeV1Options } from './make-v1-torrent.ts';
export { magnetLink, parseMagnet, v1MagnetLink, type Magnet } from './magnet.ts';
export { checkManifest, manifestPath, maxManifestBytes, parseManifest } from './manifest.ts';
export type { Health, Manifest, Need } from './manifest-schema.ts';
export * from './merkle.ts';
export {
  isNeedType,
  isPort,
  maxNeedValueBytes,
  needFault,
  needValue,
  type NeedType,
  type NeedValue,
} from './need-value.ts';
export { duplicatesWithin } from './range-hashes.ts';
export { carryOut, reuseScratch, type CarryOutOptions, type ReuseResult } from './reuse.ts';
export type { ReuseTrouble } from './reuse-runner.ts';
export { type FileReuse, type ReusePlan, type ReuseRange, type ReuseSource } from './reuse-plan.ts';
export { planReuse, ReusePlanner } from './reuse-planner.ts';
export {
  encodeTorrent,
  isPieceLayerOf,
  parseTorrent,
  pieceHash,
  type Metainfo,
} from './torrent-file.ts';
export { makeDirectories, sealTree, type TreeLayout } from './tree-layout.ts';
export {
  v1PieceBytes,
  v1PieceCount,
  v1Segments,
  type V1File,
  type V1Layout,
  type V1Segment,
} from './v1-layout.ts';
export { readV1Bytes } from './v1-reader.ts';
export {
  encodeV1Torrent,
  readV1Torrent,
  v1HalfOf,
  v1Piece,
  v1TorrentOf,
  type V1Torrent,
} from './v1-torrent.ts';
