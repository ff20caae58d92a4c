import { hash } from 'node:crypto';
import { ImageError } from '../errors.ts';
import { decodeBencode, encodeBencode, type BencodeInput, type BencodeValue } from './bencode.ts';
import type { ImageInfo } from './image-info.ts';
import { v1PieceBytes, v1PieceCount, type V1File, type V1Layout } from './v1-layout.ts';

/** All that a v1 client needs of an image, and all that is needed to serve it one. */
export interface V1Torrent {
  readonly layout: V1Layout;
  /** The bencoded info dictionary, whose SHA-1 is the info-hash. */
  readonly info: Buffer;
  /** SHA-1 of every piece, 20 bytes each. */
  readonly pieces: Buffer;
}

const sha1Bytes = 20;

const refuse = (info: ImageInfo, what: string) =>
  new ImageError('IMAGE_METAINFO', `${info.imageId} can't be offered to v1 clients: ${what}`, {
    evidence: { imageId: info.imageId },
  });

/**
 * Where the files of an image lie in its v1-only torrent: one behind the other, in the order of the
 * file tree, without padding. The piece size is that of the image.
 */
export function v1Space(info: ImageInfo): Omit<V1Layout, 'infoHash'> {
  let sizeBytes = 0;
  const files = info.files.map((file): V1File => {
    const startBytes = sizeBytes;
    sizeBytes += file.sizeBytes;
    return { path: file.path, startBytes, sizeBytes: file.sizeBytes };
  });
  if (sizeBytes === 0) throw refuse(info, 'all of its files are empty');
  return { name: info.name, pieceSizeBytes: info.pieceSizeBytes, sizeBytes, files };
}

/**
 * The v1-only torrent of an image (BEP 3), given the SHA-1 of its pieces. Executables have the
 * attribute `x` (BEP 47), which clients that don't know it pass over. Links are left out: such
 * clients would make empty files of them. The same image gives the same bytes.
 */
export function v1TorrentOf(info: ImageInfo, pieces: Buffer): V1Torrent {
  const space = v1Space(info);
  if (pieces.length !== v1PieceCount(space) * sha1Bytes) {
    throw new RangeError(
      `${pieces.length} bytes are not the hashes of ${v1PieceCount(space)} pieces`,
    );
  }
  const files = info.files.map((file): BencodeInput => ({
    attr: file.executable ? 'x' : undefined,
    length: file.sizeBytes,
    path: file.path.split('/'),
  }));
  const encoded = encodeBencode({
    files,
    name: info.name,
    'piece length': info.pieceSizeBytes,
    pieces,
  });
  return {
    layout: { ...space, infoHash: hash('sha1', encoded, 'buffer') },
    info: encoded,
    pieces,
  };
}

/**
 * The v1 half of a hybrid image (BEP 52, 'Upgrade Path'). Its info dictionary is the image's own.
 * @throws ImageError IMAGE_METAINFO when the two halves do not describe the same files
 */
export function v1HalfOf(info: ImageInfo): V1Torrent {
  const dictionary = decodeBencode(info.encoded);
  if (info.v1InfoHash === undefined || !(dictionary instanceof Map)) {
    throw refuse(info, 'it is no hybrid');
  }
  const listed = dictionary.get('files');
  if (!Array.isArray(listed)) throw refuse(info, 'it has no list of files');
  const { files, sizeBytes } = filesOf(info, listed);
  const layout = {
    name: info.name,
    pieceSizeBytes: info.pieceSizeBytes,
    sizeBytes,
    files,
    infoHash: info.v1InfoHash,
  };
  const pieces = dictionary.get('pieces');
  const expected = v1PieceCount(layout) * sha1Bytes;
  if (!(pieces instanceof Uint8Array) || pieces.length !== expected || expected === 0) {
    throw refuse(info, 'its v1 half has another number of pieces');
  }
  return { layout, info: info.encoded, pieces: Buffer.from(pieces) };
}

function filesOf(
  info: ImageInfo,
  listed: readonly BencodeValue[],
): { files: V1File[]; sizeBytes: number } {
  const sizes = new Map(info.files.map((file) => [file.path, file.sizeBytes]));
  const files: V1File[] = [];
  let sizeBytes = 0;
  for (const entry of listed) {
    const { path, lengthBytes, attributes } = entryOf(info, entry);
    const startBytes = sizeBytes;
    sizeBytes += lengthBytes;
    if (!Number.isSafeInteger(sizeBytes)) throw refuse(info, 'its v1 half is beyond 2^53 bytes');
    if (attributes.includes('p') || (attributes.includes('l') && lengthBytes === 0)) continue;
    if (sizes.get(path) !== lengthBytes) {
      throw refuse(info, `"${path}" is another file in its v1 half`);
    }
    sizes.delete(path);
    files.push({ path, startBytes, sizeBytes: lengthBytes });
  }
  const [missing] = sizes.keys();
  if (missing !== undefined) throw refuse(info, `its v1 half lacks "${missing}"`);
  return { files, sizeBytes };
}

function entryOf(
  info: ImageInfo,
  entry: BencodeValue,
): { path: string; lengthBytes: number; attributes: string } {
  const path = entry instanceof Map ? entry.get('path') : undefined;
  const lengthBytes = entry instanceof Map ? entry.get('length') : undefined;
  const attr = entry instanceof Map ? entry.get('attr') : undefined;
  if (typeof lengthBytes !== 'number' || lengthBytes < 0 || !Array.isArray(path)) {
    throw refuse(info, 'a file of its v1 half has no length or path');
  }
  const parts = path.map((part) => {
    if (!(part instanceof Uint8Array)) throw refuse(info, 'a path of its v1 half is malformed');
    return Buffer.from(part).toString('utf8');
  });
  const attributes = attr instanceof Uint8Array ? Buffer.from(attr).toString('latin1') : '';
  return { path: parts.join('/'), lengthBytes, attributes };
}

/**
 * Where the files of an image lie in a v1-only torrent that is given, as far as fetching by it needs
 * to know. Its SHA-1 hashes are not used: what is fetched is verified as ever.
 * @throws ImageError IMAGE_METAINFO when it is malformed, or describes other files, or has anything
 * between them
 */
export function readV1Torrent(info: ImageInfo, bytes: Uint8Array): V1Layout {
  const torrent = decodeBencode(bytes);
  const dictionary = torrent instanceof Map ? torrent.get('info') : undefined;
  const listed = dictionary instanceof Map ? dictionary.get('files') : undefined;
  if (!(dictionary instanceof Map) || !Array.isArray(listed)) {
    throw refuse(info, 'the v1-only torrent has no list of files');
  }
  const pieceSizeBytes = dictionary.get('piece length');
  if (typeof pieceSizeBytes !== 'number' || pieceSizeBytes < 16_384) {
    throw refuse(info, 'the v1-only torrent has pieces of less than 16 KiB');
  }
  const { files, sizeBytes } = filesOf(info, listed);
  const space = v1Space(info);
  const differs = space.files.find(({ path, startBytes }, index) => {
    const other = files[index];
    return other?.path !== path || other.startBytes !== startBytes;
  });
  if (differs !== undefined) {
    throw refuse(info, `"${differs.path}" lies elsewhere in the v1-only torrent`);
  }
  // Decoding is strict, so encoding gives back the very bytes that are hashed.
  const infoHash = hash('sha1', encodeBencode(dictionary), 'buffer');
  return { ...space, pieceSizeBytes, sizeBytes, infoHash };
}

/** The bytes of the .torrent: the same for the same image and trackers, so without date or author. */
export function encodeV1Torrent(torrent: V1Torrent, trackers: readonly string[] = []): Buffer {
  return encodeBencode({
    announce: trackers[0],
    'announce-list': trackers.length > 1 ? trackers.map((tracker) => [tracker]) : undefined,
    info: decodeBencode(torrent.info),
  });
}

/** The hash and the length that a piece must have. */
export function v1Piece(torrent: V1Torrent, piece: number): { sha1: Buffer; lengthBytes: number } {
  return {
    sha1: torrent.pieces.subarray(piece * sha1Bytes, (piece + 1) * sha1Bytes),
    lengthBytes: v1PieceBytes(torrent.layout, piece),
  };
}
