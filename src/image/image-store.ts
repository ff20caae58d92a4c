import { chmod, lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from '../errors.ts';
import type { Durability } from './durability.ts';
import { looksLikeImageId } from './image-id.ts';
import { manifestPath, maxManifestBytes, parseManifest } from './manifest.ts';
import type { Manifest } from './manifest-schema.ts';
import { parseTorrent, type Metainfo } from './torrent-file.ts';

/** An image that is whole: every byte was verified before it came into the store. */
export interface StoredImage {
  readonly imageId: string;
  readonly metainfo: Metainfo;
  /** The absolute path of its tree, read-only. */
  readonly tree: string;
}

/**
 * The images of this machine, in a folder. `STORE/<id>/` holds the metainfo as `<id>.torrent` and
 * the tree under the image's name, so that the folder is also what BitTorrent clients and web seeds
 * expect. An image comes in by one rename of a folder that was verified and synced before. Folders
 * whose name starts with a dot are being made.
 */
export class ImageStore {
  readonly directory: string;
  readonly #durability: Durability;

  constructor(components: { durability: Durability }, init: { directory: string }) {
    this.directory = init.directory;
    this.#durability = components.durability;
  }

  /** Makes the store's folder where it is missing. */
  async open(): Promise<void> {
    await mkdir(this.directory, { recursive: true });
  }

  /** The ids of all images, sorted. */
  async list(): Promise<string[]> {
    const names = await readdir(this.directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    return names.filter(looksLikeImageId).sort();
  }

  async has(imageId: string): Promise<boolean> {
    return (await lstat(this.#torrentPath(imageId)).catch(() => undefined))?.isFile() === true;
  }

  /**
   * An image of the store.
   * @throws ImageError IMAGE_UNKNOWN when it is not there; IMAGE_METAINFO when the store's own copy
   * of the metainfo is damaged.
   */
  async read(imageId: string): Promise<StoredImage> {
    const bytes = await readFile(this.#torrentPath(imageId)).catch(
      (cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause;
        throw new ImageError(
          'IMAGE_UNKNOWN',
          `the image ${imageId} is not in the store ${this.directory}; bake or fetch it first`,
          { evidence: { imageId, store: this.directory }, cause },
        );
      },
    );
    const metainfo = parseTorrent(bytes);
    if (metainfo.info.imageId !== imageId) {
      throw new ImageError(
        'IMAGE_METAINFO',
        `the store ${this.directory} has the metainfo of ${metainfo.info.imageId} under ${imageId}; remove that folder and fetch the image again`,
      );
    }
    return this.stored(metainfo);
  }

  /** What `read` gives of an image whose metainfo is known and that is in the store. */
  stored(metainfo: Metainfo): StoredImage {
    const { imageId, name } = metainfo.info;
    return { imageId, metainfo, tree: join(this.directory, imageId, name) };
  }

  /** Where a folder lies that is to become an image: in the same place, by one rename. */
  incomingPath(imageId: string): string {
    return join(this.directory, `.incoming-${imageId}`);
  }

  /** The images that are being fetched, or were when this host stopped. */
  async listIncoming(): Promise<string[]> {
    const prefix = '.incoming-';
    const names = await readdir(this.directory);
    return names
      .filter((name) => name.startsWith(prefix) && looksLikeImageId(name.slice(prefix.length)))
      .map((name) => name.slice(prefix.length));
  }

  /**
   * Takes in a whole image. `folder` lies in the store, is verified, and its content is synced.
   * When this returns the image survives a power cut.
   */
  async commit(imageId: string, folder: string): Promise<void> {
    const place = join(this.directory, imageId);
    await rename(folder, place).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      // Another was first with the same image, or what lies there lacks its metainfo.
      if (await this.has(imageId)) return await removeTree(folder);
      await this.remove(imageId);
      await rename(folder, place);
    });
    await this.#durability.syncDirectory(this.directory);
  }

  /** Removes an image and frees its space. What is not there is no error. */
  async remove(imageId: string): Promise<void> {
    const doomed = join(this.directory, `.removing-${imageId}`);
    // A removal that was killed may have left some of it.
    await removeTree(doomed);
    await rename(join(this.directory, imageId), doomed).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await removeTree(doomed);
  }

  #torrentPath(imageId: string): string {
    return join(this.directory, imageId, `${imageId}.torrent`);
  }
}

/** Reads the manifest in an image's tree. */
export async function readManifest(tree: string): Promise<Manifest> {
  const path = join(tree, manifestPath);
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isFile() !== true || stats.size > maxManifestBytes) {
    throw new ImageError('IMAGE_MANIFEST', `the image has no usable manifest at ${manifestPath}`, {
      evidence: { tree },
    });
  }
  return await parseManifest(await readFile(path));
}

/** Removes a tree whose directories may be read-only. What is not there is no error. */
export async function removeTree(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (stats.isDirectory()) await makeWritable(path);
  await rm(path, { recursive: true, force: true });
}

async function makeWritable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(directory, entry.name));
  }
}
