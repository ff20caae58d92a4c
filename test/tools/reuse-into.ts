import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  carryOut,
  planReuse,
  type CarryOutOptions,
  type ReuseResult,
  type ReuseTrouble,
  type StoredImage,
} from '../../src/image/index.ts';

export interface Reused extends ReuseResult {
  readonly tree: string;
  readonly troubles: readonly ReuseTrouble[];
  /** The pieces that `onPiece` was told of, in that order. */
  readonly told: readonly number[];
}

export interface ReuseIntoOptions extends Partial<CarryOutOptions> {
  /** The pieces that are in the tree already. */
  readonly have?: ReadonlySet<number>;
}

/**
 * Takes over what `stored` has of a wanted image, into `folder/tree`, as a fetch does. Every piece
 * that is claimed is compared with the bytes of the wanted image, which is on this disk as well.
 * @throws Error when a claimed piece has other bytes
 */
export async function reuseInto(
  folder: string,
  wanted: StoredImage,
  stored: readonly StoredImage[],
  options: ReuseIntoOptions = {},
): Promise<Reused> {
  const tree = join(folder, 'tree');
  const { have = new Set(), ...rest } = options;
  for (const { path } of wanted.metainfo.info.files) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
  }
  const troubles: ReuseTrouble[] = [];
  const told: number[] = [];
  const plan = planReuse(wanted.metainfo, (piece) => have.has(piece), stored);
  const result = await carryOut(plan, {
    tree,
    threads: 1,
    onTrouble: (trouble) => troubles.push(trouble),
    onPiece: (piece) => told.push(piece),
    ...rest,
  });
  await compare(tree, wanted, [...result.pieces, ...have]);
  return { ...result, tree, troubles, told };
}

async function compare(
  tree: string,
  wanted: StoredImage,
  pieces: readonly number[],
): Promise<void> {
  const { files, pieceSizeBytes } = wanted.metainfo.info;
  for (const { path, firstPiece, pieceCount } of files) {
    const inFile = pieces.filter((piece) => piece >= firstPiece && piece < firstPiece + pieceCount);
    if (inFile.length === 0) continue;
    const right = await readFile(join(wanted.tree, path));
    const found = await readFile(join(tree, path));
    for (const piece of inFile) {
      const start = (piece - firstPiece) * pieceSizeBytes;
      const part = (data: Buffer) => data.subarray(start, start + pieceSizeBytes);
      if (!part(right).equals(part(found))) throw new Error(`piece ${piece} in ${path} is wrong`);
    }
  }
}
