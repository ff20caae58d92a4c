import { hash } from 'node:crypto';
import type { ChunkStore, GetCallback } from 'webtorrent';
import { StorageError } from '../../src/errors.ts';
import { readV1Bytes, v1Piece, type V1Torrent } from '../../src/image/index.ts';

/**
 * Gives webtorrent the pieces of a torrent from the tree of its image. Each piece is hashed when it
 * is read, so that what the disk damaged is not sent; and there is nothing in here that could write.
 */
export class ReadOnlyChunkStore implements ChunkStore {
  readonly chunkLength: number;
  readonly #torrent: V1Torrent;
  readonly #tree: string;
  readonly #onFailure: (error: unknown) => void;

  /** @param init `onFailure` hears of every piece that can't be given */
  constructor(init: {
    readonly torrent: V1Torrent;
    readonly tree: string;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#torrent = init.torrent;
    this.#tree = init.tree;
    this.#onFailure = init.onFailure;
    this.chunkLength = init.torrent.layout.pieceSizeBytes;
  }

  get(
    index: number,
    options: { offset?: number; length?: number } | null | GetCallback,
    callback?: GetCallback,
  ): void {
    if (typeof options === 'function') {
      this.get(index, null, options);
      return;
    }
    this.#piece(index).then(
      (data) => {
        const start = options?.offset ?? 0;
        callback?.(null, data.subarray(start, start + (options?.length ?? data.length)));
      },
      (error: unknown) => {
        this.#onFailure(error);
        callback?.(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  async #piece(index: number): Promise<Buffer> {
    const { layout } = this.#torrent;
    const { sha1, lengthBytes } = v1Piece(this.#torrent, index);
    const data = await readV1Bytes(layout, this.#tree, index * layout.pieceSizeBytes, lengthBytes);
    if (hash('sha1', data, 'buffer').equals(sha1)) return data;
    throw new StorageError(
      'STORAGE_CORRUPT',
      `piece ${index} of "${this.#tree}" is not what was baked; remove the image and fetch it again`,
      { evidence: { tree: this.#tree, piece: index } },
    );
  }

  put(_index: number, _data: Uint8Array, callback: (error: Error | null) => void): void {
    callback(new StorageError('STORAGE_FAILED', 'the gateway writes nothing into the store'));
  }

  close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  destroy(callback: (error: Error | null) => void): void {
    callback(null);
  }
}
