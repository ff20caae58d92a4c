import { createReadStream, createWriteStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rename, stat, truncate } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { errorCode } from './atomic-file.ts';

/**
 * What an app writes to stdout and stderr: a file that the app holds open itself, so that it goes
 * on writing when the fetcher has died, and never waits for it. When the file is above its limit
 * it is copied to `.1` and cut to nothing in place; what the app writes in that moment is lost.
 */
export class OutputLog {
  readonly path: string;
  readonly #limitBytes: number;

  constructor(init: { readonly path: string; readonly limitBytes: number }) {
    this.path = init.path;
    this.#limitBytes = init.limitBytes;
  }

  /** Opens the file to hand it to an app. Writes go to its end, also after it was cut. */
  async open(): Promise<FileHandle> {
    await this.rotate();
    return await open(this.path, 'a', 0o644);
  }

  /** Keeps the file bounded: to be called now and then while an app writes. */
  async rotate(): Promise<void> {
    const sizeBytes = await this.#sizeBytes();
    if (sizeBytes <= this.#limitBytes) return;
    const temporary = `${this.path}.1.tmp`;
    // The newest output is worth the most, so the copy is its end.
    const start = Math.max(0, sizeBytes - this.#limitBytes);
    await pipeline(
      createReadStream(this.path, { start, end: sizeBytes - 1 }),
      createWriteStream(temporary),
    );
    await rename(temporary, `${this.path}.1`);
    await truncate(this.path, 0);
  }

  async #sizeBytes(): Promise<number> {
    try {
      return (await stat(this.path)).size;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 0;
      throw error;
    }
  }
}
