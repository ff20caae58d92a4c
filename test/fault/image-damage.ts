import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseTorrent, type ImageFile, type ImageInfo } from '../../src/image/index.ts';

const blockBytes = 16_384;
const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** What is wrong with the images of a store, as sentences; none: each of them is whole. */
export async function damageOfStore(store: string): Promise<string[]> {
  const names = await readdir(store).catch(() => []);
  const images = names.filter((name) => name.startsWith('b'));
  return (await Promise.all(images.map((imageId) => damageOfImage(store, imageId)))).flat();
}

/**
 * What is wrong with one image of a store. Nothing of what the fetcher believes is asked: each file
 * is hashed, with code of the tests' own.
 */
export async function damageOfImage(store: string, imageId: string): Promise<string[]> {
  const folder = join(store, imageId);
  const torrent = `${imageId}.torrent`;
  try {
    const { info } = parseTorrent(await readFile(join(folder, torrent)));
    if (info.imageId !== imageId) return [`${torrent} is of ${info.imageId}`];
    const expected = [torrent, info.name].sort();
    const found = (await readdir(folder)).sort();
    const extra = found.filter((name) => !expected.includes(name));
    return [
      ...extra.map((name) => `${imageId} has "${name}" beside its tree`),
      ...(await damageOfTree(join(folder, info.name), info)),
    ];
  } catch (error) {
    return [`${imageId} can't be read: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** Compares a tree with what its info dictionary says. */
async function damageOfTree(tree: string, info: ImageInfo): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(tree, '.starling/image.json'), 'utf8')) as {
    emptyDirectories?: string[];
  };
  const missing = new Map<string, () => Promise<string | undefined>>();
  for (const file of info.files) missing.set(file.path, () => damageOfFile(tree, file));
  for (const { path, target } of info.links) {
    missing.set(path, async () => {
      const found = await readlink(join(tree, path)).catch(() => 'no link');
      return found === target ? undefined : `"${path}" leads to "${found}"`;
    });
  }
  const directories = new Set(manifest.emptyDirectories ?? []);
  for (const path of [...missing.keys(), ...directories]) {
    for (let at = dirname(path); at !== '.'; at = dirname(at)) directories.add(at);
  }
  const damage: string[] = [];
  for (const path of await readdir(tree, { recursive: true })) {
    const check = missing.get(path);
    missing.delete(path);
    const what = await check?.();
    if (what !== undefined) damage.push(what);
    if (check === undefined && !directories.delete(path)) damage.push(`"${path}" is not its own`);
  }
  const absent = [...missing.keys(), ...directories];
  return [...damage, ...absent.map((path) => `"${path}" is missing`)].map(
    (what) => `${info.imageId}: ${what}`,
  );
}

async function damageOfFile(tree: string, file: ImageFile): Promise<string | undefined> {
  const path = join(tree, file.path);
  const stats = await lstat(path);
  if (!stats.isFile()) return `"${file.path}" is no file`;
  if (((stats.mode & 0o111) !== 0) !== file.executable) return `"${file.path}" has another mode`;
  const content = await readFile(path);
  if (content.length !== file.sizeBytes) {
    return `"${file.path}" has ${content.length} bytes of ${file.sizeBytes}`;
  }
  if (file.root === undefined || merkleRoot(content).equals(file.root)) return undefined;
  return `"${file.path}" has another content`;
}

/** The `pieces root` of BEP 52: leaves of 16 KiB, filled up with zeros to a power of two. */
function merkleRoot(content: Buffer): Buffer {
  let layer: Buffer[] = [];
  for (let at = 0; at < content.length; at += blockBytes) {
    layer.push(sha256(content.subarray(at, at + blockBytes)));
  }
  while (!Number.isInteger(Math.log2(layer.length))) layer.push(Buffer.alloc(32));
  while (layer.length > 1) {
    const lower = layer;
    layer = Array.from({ length: lower.length / 2 }, (_, index) =>
      sha256(...lower.slice(2 * index, 2 * index + 2)),
    );
  }
  return layer[0] ?? Buffer.alloc(32);
}
