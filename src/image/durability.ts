import { open } from 'node:fs/promises';

/**
 * How what was written is made to survive a power cut. It is a component, so that a test can show
 * that without it the power cut does destroy.
 */
export interface Durability {
  /** Returns when the file's content and size are on disk. */
  syncFile(path: string): Promise<void>;
  /** Returns when the directory's entries are on disk. */
  syncDirectory(path: string): Promise<void>;
}

/** fsync(2) of the file or directory itself. */
export const durable: Durability = { syncFile: fsync, syncDirectory: fsync };

async function fsync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
