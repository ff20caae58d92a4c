import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readWantedImage } from '../../../fetcher/wanted-image.ts';
import {
  encodeTorrent,
  encodeV1Torrent,
  magnetLink,
  makeV1Torrent,
} from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

async function bakeTorrents(content: string, hybrid = false) {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, { content, other: 'more' }, { hybrid });
  const torrent = join(directory, 'a.torrent');
  const v1Torrent = join(directory, 'v1.torrent');
  const made = await makeV1Torrent(image);
  await writeFile(torrent, encodeTorrent(image.metainfo));
  await writeFile(v1Torrent, encodeV1Torrent(made));
  return { image, torrent, v1Torrent, made };
}

test.each([false, true])(
  'a .torrent names the image and describes it (hybrid: %s)',
  async (hybrid) => {
    const { image, torrent } = await bakeTorrents('a', hybrid);
    const { imageId } = image;
    for (const argument of [undefined, imageId, magnetLink(image.metainfo.info)]) {
      const wanted = await readWantedImage(argument, { torrent });
      expect(wanted).toMatchObject({ imageId, metainfo: { info: { imageId } } });
    }
  },
);

test('the .torrent of another image is refused, and so is one that is v1-only', async () => {
  const { image, v1Torrent } = await bakeTorrents('a');
  const other = await bakeTorrents('b');
  for (const torrent of [other.torrent, v1Torrent]) {
    await expect(readWantedImage(image.imageId, { torrent })).rejects.toMatchObject({
      code: 'IMAGE_METAINFO',
    });
  }
});

test('a v1-only torrent of the same files is taken, of others it is refused', async () => {
  const { image, torrent, v1Torrent, made } = await bakeTorrents('a');
  const wanted = await readWantedImage(undefined, { torrent, v1Torrent, open: true });
  expect(wanted.v1?.infoHash).toEqual(made.layout.infoHash);
  const other = await bakeTorrents('longer');
  const options = { torrent, v1Torrent: other.v1Torrent, open: true };
  await expect(readWantedImage(image.imageId, options)).rejects.toMatchObject({
    code: 'IMAGE_METAINFO',
  });
});

test('what is missing is told of', async () => {
  const { torrent, v1Torrent } = await bakeTorrents('a');
  const options = [{}, { v1Torrent, open: true }, { torrent, v1Torrent }];
  for (const each of options) {
    const reading = readWantedImage(undefined, each);
    await expect(reading).rejects.toMatchObject({ code: 'CONFIG_MISSING' });
  }
  const reading = readWantedImage(undefined, { torrent: `${torrent}.not` });
  await expect(reading).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
