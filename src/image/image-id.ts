import { base32 } from 'multiformats/bases/base32';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { ImageError } from '../errors.ts';

/** Multicodec `torrent-info`, and the multihash code of SHA2-256. */
const torrentInfoCodec = 0x7b;
const sha256Code = 0x12;

/** The image id: CIDv1 `torrent-info` over the SHA-256 of the info dictionary, in base32. */
export function imageIdOf(infoHash: Uint8Array): string {
  return CID.createV1(torrentInfoCodec, Digest.create(sha256Code, infoHash)).toString(base32);
}

/** Whether a text has the form of an image id. A cheap test, for file names. */
export const looksLikeImageId = (text: string): boolean => /^b[a-z2-7]{58}$/.test(text);

/**
 * The info-hash (32 bytes) that an image id names.
 * @throws ImageError IMAGE_ID when the text is not an image id.
 */
export function infoHashOf(imageId: string): Buffer {
  try {
    const cid = CID.parse(imageId, base32);
    if (cid.version !== 1 || cid.code !== torrentInfoCodec || cid.multihash.code !== sha256Code) {
      throw new Error('it is the CID of something else');
    }
    const digest = Buffer.from(cid.multihash.digest);
    if (digest.length !== 32 || imageIdOf(digest) !== imageId) throw new Error('its form is off');
    return digest;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError('IMAGE_ID', `"${imageId.slice(0, 100)}" is not an image id: ${why}`, {
      cause,
    });
  }
}
