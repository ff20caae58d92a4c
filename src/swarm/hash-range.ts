import {
  blockCount,
  hashAt,
  hashBytes,
  hashBlocks,
  heightFor,
  layerAbove,
  rootOf,
  sha256,
  type ImageFile,
  type Metainfo,
} from '../image/index.ts';
import type { PieceReader } from './image-reader.ts';
import type { HashRange } from './message.ts';
import type { PieceMap } from './piece-map.ts';

/** BEP 52: a request for more hashes than this should not be made. */
export const maxHashesPerRequest = 512;

/** Reading more than this to answer one request is refused. */
const maxReadBytes = 16 << 20;

/** Which hashes to ask for so that the piece layer of a file comes whole and with its proof. */
export function pieceLayerRanges(file: ImageFile, pieceSizeBytes: number): HashRange[] {
  if (file.root === undefined || file.pieceCount < 2) return [];
  const baseLayer = heightFor(blockCount(pieceSizeBytes));
  const height = heightFor(blockCount(file.sizeBytes));
  const length = Math.min(maxHashesPerRequest, 2 ** heightFor(file.pieceCount));
  const ranges: HashRange[] = [];
  for (let index = 0; index < file.pieceCount; index += length) {
    const proofLayers = height - baseLayer - 1;
    ranges.push({ root: file.root, baseLayer, index, length, proofLayers });
  }
  return ranges;
}

/** How many hashes prove a range: one for each layer that the range itself does not fill. */
const proofCount = (range: HashRange): number =>
  Math.max(0, range.proofLayers - heightFor(range.length) + 1);

/**
 * Checks an answer against the root of the file.
 * @returns the hashes of the base layer, or undefined when they are not proven.
 */
export function provenHashes(
  file: ImageFile,
  range: HashRange,
  hashes: Uint8Array,
): Buffer | undefined {
  const proofs = proofCount(range);
  if (file.root === undefined || hashes.length !== (range.length + proofs) * hashBytes) {
    return undefined;
  }
  const base = Buffer.from(hashes.subarray(0, range.length * hashBytes));
  const height = range.baseLayer + heightFor(range.length);
  let root = rootOf(base, range.baseLayer, height);
  let index = range.index / range.length;
  for (let step = 0; step < proofs; step++, index >>= 1) {
    const start = (range.length + step) * hashBytes;
    const uncle = hashes.subarray(start, start + hashBytes);
    root = sha256(Buffer.concat(index % 2 === 0 ? [root, uncle] : [uncle, root]));
  }
  return root.equals(file.root) ? base : undefined;
}

/**
 * The answer to a hash request: the base layer, then the proofs from the lowest up.
 * @returns undefined when the request is malformed, or asks for what would cost too much.
 */
export async function answerHashRange(
  range: HashRange,
  components: { metainfo: Metainfo; pieces: PieceMap; reader: PieceReader; has: HasPiece },
): Promise<Buffer | undefined> {
  const file = components.pieces.fileWithRoot(range.root);
  if (file === undefined || !isAnswerable(range, file)) return undefined;
  const tree = new FileTree(file, components);
  if (!(await tree.loadLeaves(range))) return undefined;
  const hashes: Uint8Array[] = [];
  for (let offset = 0; offset < range.length; offset++) {
    hashes.push(tree.hashAt(range.baseLayer, range.index + offset));
  }
  let layer = range.baseLayer + heightFor(range.length);
  let index = range.index / range.length;
  for (let step = 0; step < proofCount(range); step++, layer++, index >>= 1) {
    hashes.push(tree.hashAt(layer, index ^ 1));
  }
  return Buffer.concat(hashes);
}

type HasPiece = (piece: number) => boolean;

function isAnswerable(range: HashRange, file: ImageFile): boolean {
  const height = heightFor(blockCount(file.sizeBytes));
  const { baseLayer, index, length, proofLayers } = range;
  return (
    baseLayer < height &&
    length >= 2 &&
    length <= maxHashesPerRequest &&
    Number.isInteger(Math.log2(length)) &&
    index % length === 0 &&
    index + length <= 2 ** (height - baseLayer) &&
    proofLayers < height - baseLayer
  );
}

/** The merkle tree of one file, of which only the parts asked for are worked out. */
class FileTree {
  readonly #file: ImageFile;
  readonly #pieces: PieceMap;
  readonly #reader: PieceReader;
  readonly #has: HasPiece;
  readonly #pieceHeight: number;
  /** Layers from the piece layer up. */
  readonly #upper: Buffer[];
  /** Layers below the piece layer, of the pieces that were read. */
  readonly #lower = new Map<number, Buffer[]>();

  constructor(
    file: ImageFile,
    components: { metainfo: Metainfo; pieces: PieceMap; reader: PieceReader; has: HasPiece },
  ) {
    this.#file = file;
    this.#pieces = components.pieces;
    this.#reader = components.reader;
    this.#has = components.has;
    const height = heightFor(blockCount(file.sizeBytes));
    this.#pieceHeight = Math.min(height, heightFor(components.pieces.blocksPerPiece));
    const root = file.root ?? Buffer.alloc(hashBytes);
    const layer = components.metainfo.pieceLayers.get(root.toString('hex')) ?? root;
    this.#upper = [layer];
    for (let at = this.#pieceHeight; at < height; at++) {
      this.#upper.push(layerAbove(this.#upper.at(-1) ?? layer, at));
    }
  }

  /** Reads the pieces below the range, where it lies below the piece layer. */
  async loadLeaves(range: HashRange): Promise<boolean> {
    if (range.baseLayer >= this.#pieceHeight) return true;
    const perPiece = 2 ** (this.#pieceHeight - range.baseLayer);
    const first = Math.floor(range.index / perPiece);
    const last = Math.min(
      Math.floor((range.index + range.length - 1) / perPiece),
      this.#file.pieceCount - 1,
    );
    if ((last - first + 1) * this.#pieces.info.pieceSizeBytes > maxReadBytes) return false;
    for (let index = first; index <= last; index++) {
      const piece = this.#file.firstPiece + index;
      if (!this.#has(piece)) return false;
      const data = await this.#reader.read(piece, 0, this.#pieces.sizeBytes(piece));
      const layers = [hashBlocks(data)];
      for (let at = 0; at < this.#pieceHeight; at++) {
        layers.push(layerAbove(layers.at(-1) ?? data, at));
      }
      this.#lower.set(index, layers);
    }
    return true;
  }

  hashAt(layer: number, index: number): Uint8Array {
    if (layer >= this.#pieceHeight) {
      return hashAt(this.#upper[layer - this.#pieceHeight] ?? Buffer.alloc(0), index, layer);
    }
    const perPiece = 2 ** (this.#pieceHeight - layer);
    const layers = this.#lower.get(Math.floor(index / perPiece));
    return hashAt(layers?.[layer] ?? Buffer.alloc(0), index % perPiece, layer);
  }
}
