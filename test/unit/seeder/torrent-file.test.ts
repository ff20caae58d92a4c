import { join } from 'node:path';
import { expect, test } from 'vitest';
import { torrentFileOf, writeTorrentFile } from '../../../seeder/torrent-file.ts';
import { decodeBencode, parseTorrent, type BencodeDictionary } from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const trackers = ['http://one.example/announce', 'ws://two.example'];
const baked = async () =>
  bakeSketch(await temporaryDirectory(), { some: 'bytes' }, { hybrid: true });

test('without --v1 it is the image as it is stored, with the trackers', async () => {
  const image = await baked();
  const { bytes, infoHash, magnet } = await torrentFileOf(image, { v1: false, trackers });
  expect(parseTorrent(bytes).info.imageId).toBe(image.imageId);
  expect(infoHash).toBe(image.metainfo.info.infoHash.toString('hex'));
  expect(magnet).toContain(`xt=urn:btmh:1220${infoHash}`);
  const listed = (decodeBencode(bytes) as BencodeDictionary).get('announce-list');
  expect(listed).toEqual(trackers.map((tracker) => [Buffer.from(tracker)]));
});

test('with --v1 a hybrid has another info-hash than its own v1 half', async () => {
  const image = await baked();
  const { bytes, infoHash, magnet } = await torrentFileOf(image, { v1: true, trackers: [] });
  expect(infoHash).toHaveLength(40);
  expect(infoHash).not.toBe(image.metainfo.info.v1InfoHash?.toString('hex'));
  expect(magnet).toBe(`magnet:?xt=urn:btih:${infoHash}&dn=app`);
  expect([...(decodeBencode(bytes) as Map<string, unknown>).keys()]).toEqual(['info']);
});

test('a file that can not be written is the fault of who named it', async () => {
  const path = join(await temporaryDirectory(), 'missing', 'some.torrent');
  await expect(writeTorrentFile(path, Buffer.from('de'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    evidence: { path },
  });
});
