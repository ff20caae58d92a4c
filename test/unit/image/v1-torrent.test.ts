import { createHash, hash } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  decodeBencode,
  encodeBencode,
  encodeV1Torrent,
  makeV1Torrent,
  parseInfo,
  readV1Bytes,
  readV1Torrent,
  v1HalfOf,
  v1MagnetLink,
  v1Piece,
  v1PieceCount,
  type BencodeDictionary,
  type BencodeValue,
  type StoredImage,
  type V1Torrent,
} from '../../../src/image/index.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const pieceSizeBytes = 16_384;
const sketch = {
  large: seededBytes(1, 5 * pieceSizeBytes + 123),
  'lib/small': 'small',
  'lib/empty': '',
  'bin/run': { executable: '#!/bin/sh\n' },
  'bin/also': { link: 'run' },
  zero: '',
};

const baked = async (hybrid: boolean) =>
  bakeSketch(await temporaryDirectory(), sketch, { hybrid, pieceSizeBytes });

/** All files one behind the other, in the order of the file tree. */
async function concatenated({ metainfo, tree }: StoredImage): Promise<Buffer> {
  const { files } = metainfo.info;
  return Buffer.concat(await Promise.all(files.map(({ path }) => readFile(join(tree, path)))));
}

const infoOf = (torrent: V1Torrent) => decodeBencode(torrent.info) as BencodeDictionary;

test('the v1-only torrent has the SHA-1 of pieces that run over the borders of files', async () => {
  const image = await baked(false);
  const torrent = await makeV1Torrent(image, { threads: 1 });
  const bytes = await concatenated(image);
  const naive: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceSizeBytes) {
    naive.push(
      createHash('sha1')
        .update(bytes.subarray(at, at + pieceSizeBytes))
        .digest(),
    );
  }
  expect(torrent.pieces.equals(Buffer.concat(naive))).toBe(true);
  expect(torrent.layout).toMatchObject({ name: 'app', pieceSizeBytes, sizeBytes: bytes.length });
  expect(torrent.layout.infoHash.equals(hash('sha1', torrent.info, 'buffer'))).toBe(true);
});

test('it says nothing but what v1 says, marks executables, and leaves links out', async () => {
  const torrent = await makeV1Torrent(await baked(false), { threads: 1 });
  const info = infoOf(torrent);
  expect([...info.keys()]).toEqual(['files', 'name', 'piece length', 'pieces']);
  const files = (info.get('files') as BencodeDictionary[]).map((file) => [
    (file.get('path') as Uint8Array[]).map((part) => Buffer.from(part).toString()).join('/'),
    Buffer.from((file.get('attr') as Uint8Array | undefined) ?? '').toString(),
  ]);
  expect(files).toEqual([
    ['.starling/image.json', ''],
    ['bin/run', 'x'],
    ['large', ''],
    ['lib/empty', ''],
    ['lib/small', ''],
    ['zero', ''],
  ]);
});

test('two bakes of the same tree give the same .torrent, v2-only or hybrid, on any threads', async () => {
  const one = await makeV1Torrent(await baked(false), { threads: 1 });
  const other = await makeV1Torrent(await baked(true), { threads: 3 });
  expect(encodeV1Torrent(one).equals(encodeV1Torrent(other))).toBe(true);
  expect(v1MagnetLink({ ...one.layout, trackers: ['http://t/announce'] })).toBe(
    `magnet:?xt=urn:btih:${one.layout.infoHash.toString('hex')}&dn=app&tr=http%3A%2F%2Ft%2Fannounce`,
  );
});

test.each([
  { kind: 'v1-only torrent', hybrid: false, of: (image: StoredImage) => makeV1Torrent(image) },
  { kind: 'hybrid', hybrid: true, of: (image: StoredImage) => v1HalfOf(image.metainfo.info) },
])('what is read of the store for each piece of a $kind has its hash', async ({ hybrid, of }) => {
  const image = await baked(hybrid);
  const torrent = await of(image);
  const { layout } = torrent;
  for (let piece = 0; piece < v1PieceCount(layout); piece++) {
    const { sha1, lengthBytes } = v1Piece(torrent, piece);
    const data = await readV1Bytes(layout, image.tree, piece * pieceSizeBytes, lengthBytes);
    expect(hash('sha1', data, 'buffer').equals(sha1), `piece ${piece}`).toBe(true);
  }
});

test('a tree that is not the image any more gives no torrent', async () => {
  const image = await baked(false);
  const path = join(image.tree, 'large');
  const data = await readFile(path);
  data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
  await chmod(path, 0o644);
  await writeFile(path, data);
  await expect(makeV1Torrent(image, { threads: 1 })).rejects.toMatchObject({
    code: 'STORAGE_CORRUPT',
    evidence: { path: 'large' },
  });
});

test('a file that is gone, or became shorter, is named', async () => {
  const image = await baked(true);
  const { layout } = v1HalfOf(image.metainfo.info);
  await chmod(join(image.tree, 'large'), 0o644);
  await writeFile(join(image.tree, 'large'), 'short');
  await expect(readV1Bytes(layout, image.tree, 0, layout.sizeBytes)).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    evidence: { path: join(image.tree, 'large') },
  });
});

test('a signal ends the making', async () => {
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(makeV1Torrent(await baked(false), {}, { signal })).rejects.toThrow('enough');
});

type Files = BencodeDictionary[];

const padding = (lengthBytes: number): BencodeDictionary =>
  new Map<string, BencodeValue>([
    ['attr', Buffer.from('p')],
    ['length', lengthBytes],
    ['path', [Buffer.from('.pad')]],
  ]);

test.each([
  ['names another file', (files: Files) => files[0]?.set('path', [Buffer.from('../x')])],
  ['gives a file another length', (files: Files) => files[0]?.set('length', 1)],
  ['lacks a file', (files: Files) => files.splice(0, 1)],
  ['has a file without a path', (files: Files) => files[0]?.delete('path')],
  ['has a length below zero', (files: Files) => files[0]?.set('length', -1)],
  ['has more bytes than pieces', (files: Files) => files.push(padding(1 << 20))],
])('a hybrid whose v1 half %s is refused', async (_what, spoil) => {
  const image = await baked(true);
  const info = decodeBencode(image.metainfo.info.encoded) as BencodeDictionary;
  spoil(info.get('files') as Files);
  const spoiled = parseInfo(encodeBencode(info));
  expect(() => v1HalfOf(spoiled)).toThrow(expect.objectContaining({ code: 'IMAGE_METAINFO' }));
});

test('an image without a v1 half has none', async () => {
  const image = await baked(false);
  expect(() => v1HalfOf(image.metainfo.info)).toThrow('it is no hybrid');
});

test('a v1-only torrent that is given says where each file lies, and its info-hash', async () => {
  const image = await baked(false);
  const made = await makeV1Torrent(image);
  expect(readV1Torrent(image.metainfo.info, encodeV1Torrent(made))).toEqual(made.layout);
});

test.each([
  [
    'names a file that the image has not',
    (files: Files) => files[0]?.set('path', [Buffer.from('x')]),
  ],
  ['gives a file another length', (files: Files) => files[1]?.set('length', 1)],
  ['lacks a file', (files: Files) => files.splice(0, 1)],
  ['has files in another order', (files: Files) => files.reverse()],
  ['has padding', (files: Files) => files.splice(1, 0, padding(5))],
])('a v1-only torrent that %s is refused', async (_what, spoil) => {
  const image = await baked(false);
  const torrent = decodeBencode(encodeV1Torrent(await makeV1Torrent(image))) as BencodeDictionary;
  spoil((torrent.get('info') as BencodeDictionary).get('files') as Files);
  expect(() => readV1Torrent(image.metainfo.info, encodeBencode(torrent))).toThrow(
    expect.objectContaining({ code: 'IMAGE_METAINFO' }),
  );
});
