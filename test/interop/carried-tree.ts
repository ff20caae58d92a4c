import { hash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What BitTorrent carries of a tree, one line an entry, sorted: path, whether it is executable, and
 * the SHA-256 of the content or the target of the link. It carries no empty directories, and no
 * other rights.
 */
export async function carriedTree(tree: string): Promise<string[]> {
  const names = await readdir(tree, { recursive: true });
  const lines = await Promise.all(
    names.map(async (name) => {
      const at = join(tree, name);
      const stats = await lstat(at);
      if (stats.isDirectory()) return [];
      if (stats.isSymbolicLink()) return [`${name} -> ${await readlink(at)}`];
      const kind = (stats.mode & 0o100) === 0 ? 'file' : 'executable';
      return [`${name}: ${kind}, ${stats.size} bytes, ${hash('sha256', await readFile(at))}`];
    }),
  );
  return lines.flat().sort();
}
