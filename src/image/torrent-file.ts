import { ImageError } from '../errors.ts';
import { Bencoded, decodeBencode, encodeBencode, type BencodeValue } from './bencode.ts';
import { maxInfoBytes, parseInfo, type ImageFile, type ImageInfo } from './image-info.ts';
import { blockCount, hashBytes, heightFor, rootOf } from './merkle.ts';

/** An image's info dictionary and its piece layers: all that is needed to verify its content. */
export interface Metainfo {
  readonly info: ImageInfo;
  /** For each file of more than one piece, by its root in hex: the hashes of its pieces. */
  readonly pieceLayers: ReadonlyMap<string, Buffer>;
}

/** Piece layers are 32 bytes a piece: 256 MiB are 8 million pieces. */
const maxTorrentBytes = maxInfoBytes + (256 << 20);

const refuse = (what: string, evidence: Record<string, unknown> = {}) =>
  new ImageError('IMAGE_METAINFO', `the .torrent is refused: ${what}`, { evidence });

/**
 * Reads a .torrent (BEP 52, 'metainfo files').
 * @throws ImageError IMAGE_METAINFO when it is malformed, or a piece layer does not lead to the
 * root of its file.
 */
export function parseTorrent(bytes: Uint8Array): Metainfo {
  if (bytes.length > maxTorrentBytes) throw refuse(`it is ${bytes.length} bytes long`);
  const torrent = decodeBencode(bytes);
  if (!(torrent instanceof Map)) throw refuse('it is not a dictionary');
  const encoded = torrent.get('info');
  if (!(encoded instanceof Map)) throw refuse('it has no info dictionary');
  // Decoding is strict, so encoding gives back the very bytes that were hashed.
  const info = parseInfo(encodeBencode(encoded));
  return { info, pieceLayers: readLayers(info, torrent.get('piece layers')) };
}

function readLayers(info: ImageInfo, layers: BencodeValue | undefined): Map<string, Buffer> {
  if (!(layers instanceof Map)) throw refuse('it has no "piece layers"');
  const found = new Map<string, Buffer>();
  for (const file of info.files) {
    if (file.root === undefined || file.pieceCount < 2) continue;
    const layer = layers.get(file.root.toString('latin1'));
    if (!(layer instanceof Uint8Array)) throw refuse(`"${file.path}" has no piece layer`);
    if (!isPieceLayerOf(file, info.pieceSizeBytes, layer)) {
      throw refuse(`the piece layer of "${file.path}" does not lead to its root`);
    }
    found.set(file.root.toString('hex'), Buffer.from(layer));
  }
  return found;
}

/** Whether `layer` is the hashes of the pieces of this file: right in number, leading to its root. */
export function isPieceLayerOf(
  file: ImageFile,
  pieceSizeBytes: number,
  layer: Uint8Array,
): boolean {
  if (file.root === undefined || layer.length !== file.pieceCount * hashBytes) return false;
  const height = heightFor(blockCount(pieceSizeBytes));
  return rootOf(layer, height, heightFor(blockCount(file.sizeBytes))).equals(file.root);
}

/** The bytes of a .torrent: the same for the same image, so without date or author. */
export function encodeTorrent(metainfo: Metainfo, trackers: readonly string[] = []): Buffer {
  const layers = new Map<string, Buffer>();
  for (const [root, layer] of metainfo.pieceLayers) {
    layers.set(Buffer.from(root, 'hex').toString('latin1'), layer);
  }
  return encodeBencode({
    announce: trackers[0],
    'announce-list': trackers.length > 1 ? trackers.map((tracker) => [tracker]) : undefined,
    info: new Bencoded(metainfo.info.encoded),
    'piece layers': layers,
  });
}

/**
 * The hash that a piece must have: from its file's layer, or the file's root when it has one piece.
 */
export function pieceHash(metainfo: Metainfo, file: ImageFile, piece: number): Buffer {
  if (file.root === undefined) throw new RangeError(`"${file.path}" is empty and has no pieces`);
  if (file.pieceCount === 1) return file.root;
  const layer = metainfo.pieceLayers.get(file.root.toString('hex'));
  if (layer === undefined) throw new RangeError(`no piece layer of "${file.path}" is known`);
  const start = (piece - file.firstPiece) * hashBytes;
  return layer.subarray(start, start + hashBytes);
}
