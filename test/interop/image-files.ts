import { dirname, join } from 'node:path';
import type { StoredImage } from '../../src/image/index.ts';

/** The folder of an image in its store: the tree under the image's name, and the .torrent. */
export const imageFolder = (image: StoredImage): string => dirname(image.tree);

export const torrentPath = (image: StoredImage): string =>
  join(imageFolder(image), `${image.imageId}.torrent`);
