import { join } from 'node:path';
import type { ImageFile } from './image-info.ts';
import type { StoredImage } from './image-store.ts';
import { hashBytes } from './merkle.ts';
import { rangeKey, rangeLength, rangesOf } from './range-hashes.ts';
import {
  rangesFrom,
  type FileReuse,
  type PiecePlace,
  type ReusePlan,
  type ReuseRange,
  type ReuseSource,
} from './reuse-plan.ts';
import type { Metainfo } from './torrent-file.ts';

/** Wanted ranges with the same bytes. One place is enough for all. */
interface Group {
  readonly wanted: { readonly file: number; readonly index: number }[];
  place: PiecePlace | undefined;
}

/** The stored file that has the most pieces of a wanted file in the same places. */
interface Base {
  readonly path: string;
  readonly sizeBytes: number;
  readonly hashes: Buffer;
  readonly count: number;
}

interface WholeFile {
  readonly sizeBytes: number;
  readonly places: { executable?: string; plain?: string };
}

/** Content that is wanted more often than this (zeros, say) does not show which files are akin. */
const tellingCopies = 4;

/**
 * Finds what of a wanted image this host has, in the images that it is shown one by one. Memory
 * depends on the wanted image alone; time is linear in the piece layers of all that is shown. Pure.
 *
 * - A file is found as a whole by its root, whatever the piece sizes (BEP 52, 'pieces root').
 * - A piece is found in a stored image of the same or smaller pieces, at a multiple of the wanted
 *   piece size. An image of larger pieces does not have the hashes for that; of it only whole files
 *   are found, and files that fit in one wanted piece, since those have their root.
 * - The end of a file is found only where it is the end of the stored file too: nobody keeps the hash
 *   of a part of a piece.
 */
export class ReusePlanner {
  readonly #wanted: Metainfo;
  readonly #has: (piece: number) => boolean;
  readonly #rangeBytes: number;
  readonly #groups = new Map<string, Group>();
  readonly #wholeFiles = new Map<string, WholeFile>();
  readonly #bases = new Map<number, Base>();

  /** @param has whether a piece is here already; also asked by `plan` */
  constructor(wanted: Metainfo, has: (piece: number) => boolean) {
    this.#wanted = wanted;
    this.#has = has;
    this.#rangeBytes = wanted.info.pieceSizeBytes;
    for (const [number, file] of wanted.info.files.entries()) {
      if (file.root === undefined || isWhole(file, has)) continue;
      this.#wholeFiles.set(file.root.toString('hex'), { sizeBytes: file.sizeBytes, places: {} });
      for (const { index, key } of rangesOf(wanted, file, this.#rangeBytes)) {
        if (has(file.firstPiece + index)) continue;
        const group = this.#groups.get(key) ?? { wanted: [], place: undefined };
        group.wanted.push({ file: number, index });
        this.#groups.set(key, group);
      }
    }
    this.#lookWithin();
  }

  /** The pieces that are here already may be wanted elsewhere in the same image. */
  #lookWithin(): void {
    if (this.#groups.size === 0) return;
    for (const file of this.#wanted.info.files) {
      const source: ReuseSource = { kind: 'own', path: file.path };
      for (const { index, key } of rangesOf(this.#wanted, file, this.#rangeBytes)) {
        const group = this.#groups.get(key);
        if (group === undefined || !this.#has(file.firstPiece + index)) continue;
        group.place ??= { source, index };
      }
    }
  }

  /** Looks through a stored image. What is shown first is preferred. */
  add(stored: StoredImage): void {
    if (this.#groups.size === 0) return;
    for (const file of stored.metainfo.info.files) {
      if (file.root === undefined) continue;
      const path = join(stored.tree, file.path);
      const whole = this.#wholeFiles.get(file.root.toString('hex'));
      if (whole?.sizeBytes === file.sizeBytes) {
        whole.places[file.executable ? 'executable' : 'plain'] ??= path;
      }
      this.#lookThrough(stored.metainfo, file, path);
    }
  }

  #lookThrough(metainfo: Metainfo, file: ImageFile, path: string): void {
    const source: ReuseSource = { kind: 'stored', path };
    const alike = new Map<number, number>();
    let hashes: Buffer | undefined;
    for (const range of rangesOf(metainfo, file, this.#rangeBytes)) {
      const group = this.#groups.get(range.key);
      if (group === undefined) continue;
      hashes = range.hashes;
      group.place ??= { source, index: range.index };
      for (const wanted of group.wanted.slice(0, tellingCopies)) {
        if (wanted.index !== range.index) continue;
        alike.set(wanted.file, (alike.get(wanted.file) ?? 0) + 1);
      }
    }
    if (hashes === undefined) return;
    for (const [wanted, count] of alike) {
      if (count <= (this.#bases.get(wanted)?.count ?? 0)) continue;
      this.#bases.set(wanted, { path, sizeBytes: file.sizeBytes, hashes, count });
    }
  }

  /** What to do, after all images were shown. */
  plan(): ReusePlan {
    const files: FileReuse[] = [];
    for (const [number, file] of this.#wanted.info.files.entries()) {
      if (file.root === undefined || isWhole(file, this.#has)) continue;
      const reuse = this.#wholeFile(file) ?? this.#partOf(file, number);
      if (reuse.ranges.length > 0) files.push(reuse);
    }
    const sum = (key: 'pieceCount' | 'lengthBytes') =>
      files.reduce(
        (total, { ranges }) => ranges.reduce((all, range) => all + range[key], total),
        0,
      );
    return {
      wanted: this.#wanted,
      files,
      pieceCount: sum('pieceCount'),
      sizeBytes: sum('lengthBytes'),
    };
  }

  #wholeFile(file: ImageFile): FileReuse | undefined {
    const places = this.#wholeFiles.get(file.root?.toString('hex') ?? '')?.places ?? {};
    const { executable, plain } = places;
    const link = file.executable ? executable : plain;
    const path = link ?? executable ?? plain;
    if (path === undefined) return undefined;
    const source: ReuseSource = { kind: 'stored', path };
    const ranges = this.#ranges(file, (index) => ({ source, index }));
    return { file, isNew: this.#isNew(file), link, clone: path, ranges };
  }

  #partOf(file: ImageFile, number: number): FileReuse {
    const base = this.#bases.get(number);
    const baseSource: ReuseSource = { kind: 'stored', path: base?.path ?? '' };
    let inPlace = 0;
    const keys = [...rangesOf(this.#wanted, file, this.#rangeBytes)];
    const ranges = this.#ranges(file, (index) => {
      const key = keys[index]?.key ?? '';
      if (base !== undefined && this.#hasAt(base, index, key)) {
        inPlace += 1;
        return { source: baseSource, index };
      }
      return this.#groups.get(key)?.place;
    });
    const clone = inPlace > file.pieceCount / 2 ? base?.path : undefined;
    return { file, isNew: this.#isNew(file), link: undefined, clone, ranges };
  }

  #hasAt(base: Base, index: number, key: string): boolean {
    if ((index + 1) * hashBytes > base.hashes.length) return false;
    const lengthBytes = rangeLength(base.sizeBytes, index, this.#rangeBytes);
    return rangeKey(base.hashes, index, lengthBytes) === key;
  }

  #ranges(file: ImageFile, placeOf: (index: number) => PiecePlace | undefined): ReuseRange[] {
    return rangesFrom(file, this.#rangeBytes, (piece, index) =>
      this.#has(piece) ? undefined : placeOf(index),
    );
  }

  #isNew(file: ImageFile): boolean {
    return !somePiece(file, this.#has);
  }
}

/**
 * What of `wanted` is in the images of this host, and how to get at it: see ReusePlanner, which takes
 * the images one by one.
 */
export function planReuse(
  wanted: Metainfo,
  has: (piece: number) => boolean,
  stored: Iterable<StoredImage>,
): ReusePlan {
  const planner = new ReusePlanner(wanted, has);
  for (const image of stored) planner.add(image);
  return planner.plan();
}

function somePiece(file: ImageFile, is: (piece: number) => boolean): boolean {
  for (let index = 0; index < file.pieceCount; index++) {
    if (is(file.firstPiece + index)) return true;
  }
  return false;
}

const isWhole = (file: ImageFile, has: (piece: number) => boolean): boolean =>
  !somePiece(file, (piece) => !has(piece));
