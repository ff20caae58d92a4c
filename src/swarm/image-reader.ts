import { constants } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import type { ImageInfo } from '../image/index.ts';
import { OpenFiles } from './open-files.ts';
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
/** Reads pieces from a tree on disk, for answers about hashes; blocks are read by the data planes. */
export class ImageReader implements PieceReader, AsyncDisposable {
  /** Where the tree lies. */
  tree: string;
  /** Where it may be moved to, at a moment that nobody is told. */
  movesTo: string | undefined;
  readonly #pieces: PieceMap;
  readonly #files = new OpenFiles({ flags: constants.O_RDONLY, limit: openFilesLimit });

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
    const fill = (from: string) =>
      this.#files.use(from, async (handle) => {
        for (let filled = 0; filled < wantedBytes;) {
          const { bytesRead } = await handle.read(
            buffer,
            filled,
            wantedBytes - filled,
            position + filled,
          );
          if (bytesRead === 0) throw new Error('the file is shorter than it was');
          filled += bytesRead;
        }
      });
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}
