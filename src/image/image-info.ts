import { hash } from 'node:crypto';
import { ImageError } from '../errors.ts';
import { decodeBencode, textOfKey, type BencodeDictionary, type BencodeValue } from './bencode.ts';
import { imageIdOf } from './image-id.ts';
import { blockBytes, hashBytes, sha256 } from './merkle.ts';
import { checkLinkTarget, checkPathPart } from './tree-path.ts';

/** A regular file of an image. */
export interface ImageFile {
  /** Where it lies below the tree, parts joined with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** The merkle root of its content (BEP 52, `pieces root`); of an empty file there is none. */
  readonly root: Buffer | undefined;
  /** Its place in the piece space of the image: every file starts a new piece. */
  readonly firstPiece: number;
  readonly pieceCount: number;
}

/** A symbolic link of an image; `target` is relative to the link's own directory. */
export interface ImageLink {
  readonly path: string;
  readonly target: string;
}

/** What an info dictionary says, checked. */
export interface ImageInfo {
  readonly imageId: string;
  /** SHA-256 of `encoded`, 32 bytes. */
  readonly infoHash: Buffer;
  /** SHA-1 of `encoded` where the dictionary also describes a v1 torrent. */
  readonly v1InfoHash: Buffer | undefined;
  /** The bencoded dictionary itself. */
  readonly encoded: Buffer;
  readonly name: string;
  readonly pieceSizeBytes: number;
  readonly pieceCount: number;
  /** The sizes of all files together. */
  readonly sizeBytes: number;
  readonly files: readonly ImageFile[];
  readonly links: readonly ImageLink[];
}

/** An info dictionary is held in memory whole. 64 MiB are some 500,000 files. */
export const maxInfoBytes = 64 << 20;

const limits = {
  maxDirectoryDepth: 128,
  maxPathBytes: 4_096,
  /** What symlink(2) takes. */
  maxTargetBytes: 4_095,
  maxPieceSizeBytes: 64 << 20,
  /** Each piece has a hash and counters in memory; these are 2 TiB in the smallest pieces of bake. */
  maxPieces: 2 ** 23,
};

const refuse = (what: string, evidence: Record<string, unknown> = {}) =>
  new ImageError('IMAGE_METAINFO', `the info dictionary is refused: ${what}`, { evidence });

/**
 * Reads a v2 info dictionary (BEP 52). Everything in it is foreign until this returns: paths that
 * leave the tree, sizes beyond 2^53 and trees that nest too deep are refused.
 * @throws ImageError IMAGE_METAINFO
 */
export function parseInfo(encoded: Uint8Array): ImageInfo {
  if (encoded.length > maxInfoBytes) {
    throw refuse(`it is ${encoded.length} bytes long, ${maxInfoBytes} are allowed`);
  }
  const info = decodeBencode(encoded);
  if (!(info instanceof Map)) throw refuse('it is not a dictionary');
  const version = info.get('meta version');
  if (version !== 2) {
    throw refuse(
      version === undefined
        ? 'it has no "meta version": a BitTorrent v1 torrent is not an image'
        : 'its "meta version" is not 2',
    );
  }
  const pieceSizeBytes = pieceSizeOf(info);
  const tree = info.get('file tree');
  if (!(tree instanceof Map)) throw refuse('"file tree" is not a dictionary');
  const reader = new TreeReader(pieceSizeBytes);
  reader.directory(tree, []);
  const bytes = Buffer.from(encoded);
  const infoHash = sha256(bytes);
  return {
    imageId: imageIdOf(infoHash),
    infoHash,
    v1InfoHash: info.has('pieces') ? hash('sha1', bytes, 'buffer') : undefined,
    encoded: bytes,
    name: nameOf(info),
    pieceSizeBytes,
    pieceCount: reader.pieceCount,
    sizeBytes: reader.sizeBytes,
    files: reader.files,
    links: reader.links,
  };
}

function pieceSizeOf(info: BencodeDictionary): number {
  const size = info.get('piece length');
  if (
    typeof size !== 'number' ||
    size < blockBytes ||
    size > limits.maxPieceSizeBytes ||
    !Number.isInteger(Math.log2(size))
  ) {
    throw refuse(`"piece length" is not a power of two from 16 KiB to 64 MiB`, {
      pieceLength: size,
    });
  }
  return size;
}

function nameOf(info: BencodeDictionary): string {
  const name = info.get('name');
  if (!(name instanceof Uint8Array)) throw refuse('"name" is not a string');
  const text = Buffer.from(name).toString('utf8');
  checkPathPart(Buffer.from(name), refuse);
  return text;
}

class TreeReader {
  readonly files: ImageFile[] = [];
  readonly links: ImageLink[] = [];
  pieceCount = 0;
  sizeBytes = 0;
  readonly #pieceSizeBytes: number;
  /** The size that belongs to each root: one content can't have two. */
  readonly #sizes = new Map<string, number>();

  constructor(pieceSizeBytes: number) {
    this.#pieceSizeBytes = pieceSizeBytes;
  }

  directory(tree: BencodeDictionary, parents: readonly string[]): void {
    if (tree.has('')) throw refuse('the tree, or an entry beside others, is a file itself');
    if (parents.length >= limits.maxDirectoryDepth) throw refuse('its tree nests too deep');
    for (const [key, value] of tree) {
      checkPathPart(Buffer.from(key, 'latin1'), refuse);
      if (!(value instanceof Map)) throw refuse(`"${textOfKey(key)}" is not a dictionary`);
      const parts = [...parents, textOfKey(key)];
      const properties = value.size === 1 ? value.get('') : undefined;
      if (properties === undefined) this.directory(value, parts);
      else this.#entry(properties, parts);
    }
  }

  #entry(properties: BencodeValue, parts: readonly string[]): void {
    const path = parts.join('/');
    if (Buffer.byteLength(path) > limits.maxPathBytes) throw refuse(`a path is too long: ${path}`);
    if (!(properties instanceof Map)) throw refuse(`"${path}" has no properties`);
    const attributes = properties.get('attr');
    const attr = attributes instanceof Uint8Array ? Buffer.from(attributes).toString('latin1') : '';
    if (attr.includes('l')) this.links.push({ path, target: this.#target(properties, parts) });
    else this.#file(properties, path, attr.includes('x'));
  }

  #target(properties: BencodeDictionary, parts: readonly string[]): string {
    const target = properties.get('symlink path');
    if (!Array.isArray(target) || !target.every((part) => part instanceof Uint8Array)) {
      throw refuse(`the link "${parts.join('/')}" has no target`);
    }
    const texts = target.map((part) => Buffer.from(part).toString('utf8'));
    checkLinkTarget(parts, texts, refuse);
    for (const part of target) checkPathPart(Buffer.from(part), refuse, ['.', '..']);
    const text = texts.join('/');
    if (Buffer.byteLength(text) > limits.maxTargetBytes) {
      throw refuse(`the target of the link "${parts.join('/')}" is too long`);
    }
    return text;
  }

  #file(properties: BencodeDictionary, path: string, executable: boolean): void {
    const sizeBytes = properties.get('length');
    if (typeof sizeBytes !== 'number' || sizeBytes < 0) throw refuse(`"${path}" has no length`);
    const root = properties.get('pieces root');
    if (sizeBytes > 0 && !(root instanceof Uint8Array && root.length === hashBytes)) {
      throw refuse(`"${path}" has no pieces root of 32 bytes`);
    }
    const rootHex = root instanceof Uint8Array ? Buffer.from(root).toString('hex') : '';
    if (sizeBytes > 0 && (this.#sizes.get(rootHex) ?? sizeBytes) !== sizeBytes) {
      throw refuse(`"${path}" has the root of a file of another size`);
    }
    this.#sizes.set(rootHex, sizeBytes);
    const pieceCount = Math.ceil(sizeBytes / this.#pieceSizeBytes);
    this.files.push({
      path,
      sizeBytes,
      executable,
      root: sizeBytes > 0 ? Buffer.from(root as Uint8Array) : undefined,
      firstPiece: this.pieceCount,
      pieceCount,
    });
    this.pieceCount += pieceCount;
    this.sizeBytes += sizeBytes;
    if (!Number.isSafeInteger(this.sizeBytes)) throw refuse('its size is beyond 2^53 bytes');
    if (this.pieceCount > limits.maxPieces) {
      throw refuse(`it has more than ${limits.maxPieces} pieces`);
    }
  }
}
