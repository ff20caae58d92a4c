import { open, type FileHandle } from 'node:fs/promises';

interface Entry {
  readonly handle: Promise<FileHandle>;
  users: number;
}

/** Keeps a bounded number of files open, the latest used ones. */
export class OpenFiles {
  readonly #flags: number;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  /** @param init.flags as for open(2) */
  constructor(init: { flags: number; limit: number }) {
    this.#flags = init.flags;
    this.#limit = init.limit;
  }

  /** Lends the open file to `work`; it stays open at least until that is done. */
  async use<T>(path: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
    const entry = this.#entries.get(path) ?? { handle: open(path, this.#flags), users: 0 };
    // Taken out and put in again, so that the map is in the order of use.
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    entry.users += 1;
    try {
      return await work(await entry.handle);
    } catch (error) {
      await this.#drop(path, entry);
      throw error;
    } finally {
      entry.users -= 1;
      await this.#shrink();
    }
  }

  async #shrink(): Promise<void> {
    for (const [path, entry] of this.#entries) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.users === 0) await this.#drop(path, entry);
    }
  }

  /** Closes a file, unless somebody else opened it anew or still uses it. */
  async #drop(path: string, entry: Entry): Promise<void> {
    if (entry.users > 1 || this.#entries.get(path) !== entry) return;
    this.#entries.delete(path);
    const handle = await entry.handle.catch(() => undefined);
    await handle?.close();
  }

  /** Closes all files. */
  async [Symbol.asyncDispose](): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const { handle } of entries) await (await handle.catch(() => undefined))?.close();
  }
}
