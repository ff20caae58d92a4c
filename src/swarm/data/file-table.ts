import { closeSync, openSync } from 'node:fs';

interface Entry {
  readonly path: string;
  readonly file: number;
  users: number;
  dropped: boolean;
}

/** An open file, lent until it is given back. */
export interface LentFile {
  readonly file: number;
  giveBack(): void;
}

/** Keeps a bounded number of files open, the latest used ones. */
export class FileTable {
  readonly #flags: number;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  /** @param init.flags as for open(2) */
  constructor(init: { flags: number; limit: number }) {
    this.#flags = init.flags;
    this.#limit = init.limit;
  }

  /** Opens a file, or lends it again. @throws as open(2) */
  lend(path: string): LentFile {
    const entry = this.#entries.get(path) ?? {
      path,
      file: openSync(path, this.#flags, 0o644),
      users: 0,
      dropped: false,
    };
    // Taken out and put in again, so that the map is in the order of use.
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    entry.users += 1;
    this.#shrink();
    return {
      file: entry.file,
      giveBack: () => {
        entry.users -= 1;
        if (entry.dropped && entry.users === 0) closeSync(entry.file);
      },
    };
  }

  #shrink(): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#limit) return;
      if (entry.users === 0) this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    if (this.#entries.get(entry.path) === entry) this.#entries.delete(entry.path);
    entry.dropped = true;
    if (entry.users === 0) closeSync(entry.file);
  }

  /** Closes all files below a folder, those in use when they are given back. */
  closeBelow(folder: string): void {
    for (const entry of this.#entries.values()) {
      if (entry.path.startsWith(`${folder}/`)) this.#drop(entry);
    }
  }

  /** Closes all files. */
  close(): void {
    for (const entry of this.#entries.values()) this.#drop(entry);
  }
}
