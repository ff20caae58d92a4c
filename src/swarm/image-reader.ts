import { constants, read } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StorageError } from '../errors.ts';
import type { ImageInfo } from '../image/index.ts';
import { FileTable } from './data/file-table.ts';
import { PieceMap } from './piece-map.ts';

/** Gives bytes of an image, from wherever it lies. Only verified pieces may be asked for. */
export interface PieceReader {
  /**
   * Beyond the end of the piece's file the bytes are zero.
   * @throws StorageError when the disk fails or the file is shorter than it was
   */
  read(piece: number, beginBytes: number, lengthBytes: number): Promise<Buffer>;
}

const openFilesLimit = 64;
const readInto = promisify(read);

/** Reads pieces from a tree on disk, for answers about hashes; blocks are read by the data planes. */
export class ImageReader implements PieceReader, Disposable {
  /** Where the tree lies. */
  tree: string;
  /** Where it may be moved to, at a moment that nobody is told. */
  movesTo: string | undefined;
  readonly #pieces: PieceMap;
  readonly #files = new FileTable({ flags: constants.O_RDONLY, limit: openFilesLimit });

  constructor(init: { info: ImageInfo; tree: string }) {
    this.tree = init.tree;
    this.#pieces = new PieceMap(init.info);
  }

  async read(piece: number, beginBytes: number, lengthBytes: number): Promise<Buffer> {
    const { path: name } = this.#pieces.fileOf(piece);
    const path = join(this.tree, name);
    const position = this.#pieces.offsetBytes(piece) + beginBytes;
    const buffer = Buffer.allocUnsafe(lengthBytes);
    const storedBytes = Math.max(0, this.#pieces.sizeBytes(piece) - beginBytes);
    const wantedBytes = Math.min(lengthBytes, storedBytes);
    buffer.fill(0, wantedBytes);
    const fill = async (from: string) => {
      const lent = this.#files.lend(from);
      try {
        for (let filled = 0; filled < wantedBytes;) {
          const left = wantedBytes - filled;
          const { bytesRead } = await readInto(lent.file, buffer, filled, left, position + filled);
          if (bytesRead === 0) throw new Error('the file is shorter than it was');
          filled += bytesRead;
        }
      } finally {
        lent.giveBack();
      }
    };
    try {
      await fill(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT' || this.movesTo === undefined) throw error;
        return fill(join(this.movesTo, name));
      });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StorageError('STORAGE_FAILED', `"${path}" can't be read: ${why}`, {
        evidence: { path, piece },
        cause,
      });
    }
    return buffer;
  }

  [Symbol.dispose](): void {
    this.#files.close();
  }
}
