import { blockBytes, type ImageFile, type ImageInfo } from '../image/index.ts';

/** Where the pieces of an image lie: each in one file, as BEP 52 aligns files to pieces. */
export class PieceMap {
  readonly info: ImageInfo;
  /** The files that have pieces, in the order of their pieces. */
  readonly #files: readonly ImageFile[];
  /** Made when it is first asked for. */
  #byRoot: Map<string, ImageFile> | undefined;

  constructor(info: ImageInfo) {
    this.info = info;
    this.#files = info.files.filter((file) => file.pieceCount > 0);
  }

  /** A file with this merkle root; of several with the same content, one. */
  fileWithRoot(root: Uint8Array): ImageFile | undefined {
    this.#byRoot ??= new Map(
      this.#files.map((file) => [file.root?.toString('latin1') ?? '', file]),
    );
    return this.#byRoot.get(Buffer.from(root).toString('latin1'));
  }

  /** @throws RangeError when there is no such piece */
  fileOf(piece: number): ImageFile {
    let low = 0;
    let high = this.#files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#files[middle]?.firstPiece ?? Infinity) <= piece) low = middle;
      else high = middle - 1;
    }
    const file = this.#files[low];
    if (file === undefined || piece < 0 || piece >= file.firstPiece + file.pieceCount) {
      throw new RangeError(`there is no piece ${piece}`);
    }
    return file;
  }

  /** Where a piece begins in its file. */
  offsetBytes(piece: number): number {
    return (piece - this.fileOf(piece).firstPiece) * this.info.pieceSizeBytes;
  }

  /** The size of a piece; the last of a file may be short. */
  sizeBytes(piece: number): number {
    const file = this.fileOf(piece);
    const offset = (piece - file.firstPiece) * this.info.pieceSizeBytes;
    return Math.min(this.info.pieceSizeBytes, file.sizeBytes - offset);
  }

  get blocksPerPiece(): number {
    return this.info.pieceSizeBytes / blockBytes;
  }
}
