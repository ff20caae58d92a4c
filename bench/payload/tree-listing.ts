import { closeSync, openSync, readSync } from 'node:fs';
import { createHash, hash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ListedFile {
  /** Below the tree, with slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256, hex. */
  readonly digest: string;
}

const chunkBytes = 4 << 20;

/** All files of a tree with their hashes, by path. @throws when something is neither file nor folder */
export async function listTree(
  tree: string,
  { signal }: { signal: AbortSignal },
): Promise<ListedFile[]> {
  const found: ListedFile[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(tree, below), { withFileTypes: true })) {
      signal.throwIfAborted();
      const path = join(below, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile()) found.push({ path, ...(await hashFile(join(tree, path))) });
      else throw new Error(`"${path}" is neither a file nor a folder`);
    }
  };
  await walk('');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function hashFile(path: string): Promise<{ sizeBytes: number; digest: string }> {
  const { size: sizeBytes } = await lstat(path);
  if (sizeBytes <= chunkBytes) return { sizeBytes, digest: hash('sha256', await readFile(path)) };
  const whole = createHash('sha256');
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const file = openSync(path, 'r');
  try {
    for (let read; (read = readSync(file, buffer)) > 0;) whole.update(buffer.subarray(0, read));
  } finally {
    closeSync(file);
  }
  return { sizeBytes, digest: whole.digest('hex') };
}

/** How one tree differs from another in its first difference; undefined when it does not. */
export function firstDifference(
  actual: readonly ListedFile[],
  expected: readonly ListedFile[],
): string | undefined {
  for (let index = 0; index < Math.max(actual.length, expected.length); index++) {
    const [is, should] = [actual[index], expected[index]];
    if (should === undefined) return `"${is?.path ?? ''}" is too many`;
    if (is?.path !== should.path) return `"${should.path}" is missing`;
    if (is.sizeBytes !== should.sizeBytes || is.digest !== should.digest) {
      return `"${is.path}" has other content`;
    }
  }
  return undefined;
}
