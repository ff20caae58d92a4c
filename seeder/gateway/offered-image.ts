import {
  encodeTorrent,
  encodeV1Torrent,
  makeV1Torrent,
  v1HalfOf,
  type StoredImage,
  type V1Torrent,
} from '../../src/image/index.ts';

/** An image as v1 clients see it. */
export interface OfferedImage {
  readonly image: StoredImage;
  readonly torrent: V1Torrent;
  /** The .torrent, without trackers. */
  readonly bytes: Buffer;
}

/**
 * A hybrid is offered as its v1 half, whose hashes it has; a v2-only image by its v1-only torrent,
 * for which all of it is read.
 * @throws ImageError, StorageError as v1HalfOf and makeV1Torrent
 */
export async function offeredImage(
  image: StoredImage,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<OfferedImage> {
  if (image.metainfo.info.v1InfoHash !== undefined) {
    return {
      image,
      torrent: v1HalfOf(image.metainfo.info),
      bytes: encodeTorrent({ ...image.metainfo, pieceLayers: new Map() }),
    };
  }
  const torrent = await makeV1Torrent(image, {}, options);
  return { image, torrent, bytes: encodeV1Torrent(torrent) };
}
