import { readFile, stat } from 'node:fs/promises';
import { ImageError } from '../src/errors.ts';
import {
  describeInfo,
  durable,
  ImageStore,
  infoHashOf,
  inspect,
  parseMagnet,
  parseTorrent,
  type ImageDescription,
  type StoredImage,
} from '../src/image/index.ts';

/** A .torrent is read whole; larger ones are none. */
const maxTorrentBytes = 320 << 20;

/**
 * The image id that an argument names: an id itself, or a magnet link.
 * @throws ImageError IMAGE_ID
 */
export function imageIdOfArgument(argument: string): string {
  if (argument.startsWith('magnet:')) return parseMagnet(argument).imageId;
  infoHashOf(argument);
  return argument;
}

/** An image of the store. @throws ImageError */
export async function storedImage(argument: string, directory: string): Promise<StoredImage> {
  const store = new ImageStore({ durability: durable }, { directory });
  return store.read(imageIdOfArgument(argument));
}

/** What is known of an image in the store, or of a .torrent file. @throws ImageError */
export async function describeImage(
  argument: string,
  directory: string,
): Promise<Partial<ImageDescription>> {
  const stats = await stat(argument).catch(() => undefined);
  if (stats?.isFile() !== true) return inspect(await storedImage(argument, directory));
  if (stats.size > maxTorrentBytes) {
    throw new ImageError('IMAGE_METAINFO', `"${argument}" is too large to be a .torrent`);
  }
  return describeInfo(parseTorrent(await readFile(argument)).info);
}
