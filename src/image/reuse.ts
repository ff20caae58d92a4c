import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ImageFile } from './image-info.ts';
import type { Metainfo } from './torrent-file.ts';
import { rangeLength } from './range-hashes.ts';
import { copyRanges } from './reuse-copies.ts';
import { reflink, type Clone } from './reuse-destination.ts';
import { linkFiles } from './reuse-links.ts';
import { PartRunner, type ReuseTrouble } from './reuse-runner.ts';
import type { ReusePlan } from './reuse-plan.ts';

export interface CarryOutOptions {
  /** The tree of the wanted image; its directories are there, and nobody else writes to its files. */
  readonly tree: string;
  readonly signal?: AbortSignal | undefined;
  /** A piece is here: what was read was hashed, and written where it was not linked. */
  readonly onPiece?: ((piece: number) => void) | undefined;
  readonly onTrouble?: ((trouble: ReuseTrouble) => void) | undefined;
  readonly threads?: number | undefined;
  /** How whole files are cloned; by default as the file system can (COPYFILE_FICLONE_FORCE). */
  readonly clone?: Clone | undefined;
}

export interface ReuseResult {
  readonly reusedBytes: number;
  /** The pieces that are here now and were not before, in order. */
  readonly pieces: number[];
  /** The files that are links into other images: read-only and on disk already. Never write there. */
  readonly linked: string[];
}

/**
 * Takes over what the plan says is on this host. No piece is claimed that was not hashed while it was
 * copied, or in its place. What can't be had is less reuse and never an error: it is told to
 * `onTrouble`, and fetched. Files that are not linked are writable, of this tree alone, sparse where
 * pieces are missing, and not synced.
 * @throws the signal's reason; what `onPiece` was told until then holds
 */
export async function carryOut(plan: ReusePlan, options: CarryOutOptions): Promise<ReuseResult> {
  const { tree, signal } = options;
  const result = { reusedBytes: 0, pieces: [] as number[], linked: [] as string[] };
  const claim = (file: ImageFile, piece: number) => {
    const { pieceSizeBytes } = plan.wanted.info;
    result.pieces.push(piece);
    result.reusedBytes += rangeLength(file.sizeBytes, piece - file.firstPiece, pieceSizeBytes);
    options.onPiece?.(piece);
  };
  const scratch = reuseScratch(tree, plan.wanted);
  try {
    await rm(scratch, { recursive: true, force: true });
    if (plan.files.length === 0) return result;
    await mkdir(scratch);
    await using runner = startRunner(plan, options);
    const { clone = reflink } = options;
    const { linked } = result;
    const context = { plan, tree, scratch, signal, runner, clone, claim, linked };
    await copyRanges(context, await linkFiles(context));
  } catch (cause) {
    signal?.throwIfAborted();
    options.onTrouble?.({ type: 'unusable', path: scratch, cause });
  } finally {
    await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
  }
  result.pieces.sort((a, b) => a - b);
  return result;
}

const startRunner = (plan: ReusePlan, options: CarryOutOptions): PartRunner =>
  new PartRunner(
    { wanted: plan.wanted, threads: options.threads },
    { signal: options.signal, onTrouble: (trouble) => options.onTrouble?.(trouble) },
  );

/** Where files are made before they are renamed into the tree; a run that was killed may leave it. */
export const reuseScratch = (tree: string, { info }: Metainfo): string =>
  // Beside the tree, and called as no image can be that has this id.
  join(dirname(tree), `${info.imageId}.reuse`);
