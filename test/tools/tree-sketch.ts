import { hash } from 'node:crypto';
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What lies at a path: content, a link, an empty directory, or an executable. */
export type Sketched =
  | string
  | Uint8Array
  | { readonly link: string }
  | { readonly directory: true }
  | { readonly executable: string | Uint8Array };

/** A tree in a test: what lies at which path. */
export type TreeSketch = Readonly<Record<string, Sketched>>;

/** Makes a tree on disk, in the order of the sketch. */
export async function writeTree(tree: string, sketch: TreeSketch): Promise<void> {
  await mkdir(tree, { recursive: true });
  for (const [path, what] of Object.entries(sketch)) {
    const at = join(tree, path);
    await mkdir(dirname(at), { recursive: true });
    if (typeof what === 'string' || what instanceof Uint8Array) await writeFile(at, what);
    else if ('link' in what) await symlink(what.link, at);
    else if ('directory' in what) await mkdir(at, { recursive: true });
    else {
      await writeFile(at, what.executable);
      await chmod(at, 0o755);
    }
  }
}

/**
 * What lies in a tree on disk, one line an entry, sorted: kind and mode, path, and the SHA-256 of
 * the content or the target of the link. Two trees with the same lines are the same image.
 */
export async function describeTree(tree: string): Promise<string[]> {
  const names = await readdir(tree, { recursive: true });
  const lines = await Promise.all(
    names.map(async (name) => {
      const at = join(tree, name);
      const stats = await lstat(at);
      const mode = (stats.mode & 0o7777).toString(8);
      if (stats.isSymbolicLink()) return `${name} link ${await readlink(at)}`;
      if (stats.isDirectory()) return `${name} directory ${mode}`;
      return `${name} file ${mode} ${hash('sha256', await readFile(at))}`;
    }),
  );
  return lines.sort();
}
