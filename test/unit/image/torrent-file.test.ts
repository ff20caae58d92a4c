import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { ImageError } from '../../../src/errors.ts';
import {
  binaryKey,
  decodeBencode,
  encodeBencode,
  type BencodeDictionary,
  type BencodeInput,
} from '../../../src/image/bencode.ts';
import { parseInfo } from '../../../src/image/image-info.ts';
import { encodeTorrent, parseTorrent, type Metainfo } from '../../../src/image/torrent-file.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { withTemporaryDirectory } from '../../tools/with-temporary-directory.ts';

const root = Buffer.alloc(32, 1);
const file = (properties: Record<string, BencodeInput> = {}): BencodeInput => ({
  '': { length: 5, 'pieces root': root, ...properties },
});
const link = (...target: BencodeInput[]): BencodeInput => ({
  '': { attr: 'xl', 'symlink path': target },
});
const tree = (...entries: [string, BencodeInput][]): BencodeInput =>
  new Map(entries.map(([name, value]) => [binaryKey(name), value]));

/** A dictionary that is right but for what is given. */
const info = (changes: Record<string, BencodeInput | undefined> = {}): Buffer =>
  encodeBencode({
    'file tree': tree(['file', file()]),
    'meta version': 2,
    name: 'app',
    'piece length': 262_144,
    ...changes,
  });

const withTree = (...entries: [string, BencodeInput][]) => info({ 'file tree': tree(...entries) });

/** A directory in a directory in a … */
function nested(depth: number): BencodeInput {
  let inner: BencodeInput = tree(['f', file()]);
  for (let level = 1; level < depth; level++) inner = tree(['d', inner]);
  return inner;
}

test('a dictionary that is right is read', () => {
  const read = parseInfo(info());
  expect(read.files).toMatchObject([{ path: 'file', sizeBytes: 5, pieceCount: 1, firstPiece: 0 }]);
  expect(read.v1InfoHash).toBeUndefined();
});

test('every file begins a new piece, and an empty one has none', () => {
  const large = file({ length: 262_145, 'pieces root': Buffer.alloc(32, 'c') });
  const empty: BencodeInput = { '': { length: 0 } };
  const read = parseInfo(withTree(['a', file()], ['b', empty], ['c', large], ['d', file()]));
  expect(read.files.map(({ firstPiece, pieceCount }) => [firstPiece, pieceCount])).toEqual([
    [0, 1],
    [1, 0],
    [1, 2],
    [3, 1],
  ]);
  expect(read.pieceCount).toBe(4);
});

const tooLong = Array.from({ length: 20 }, () => 'n'.repeat(250));

describe('a hostile info dictionary is refused:', () => {
  test.each<[string, Buffer]>([
    ['a list', encodeBencode([])],
    ['nothing', Buffer.alloc(0)],
    ['a v1 torrent', info({ 'meta version': undefined, pieces: Buffer.alloc(20) })],
    ['a version of the future', info({ 'meta version': 3 })],
    ['one root with two sizes', withTree(['a', file()], ['b', file({ length: 6 })])],
    ['no name', info({ name: undefined })],
    ['an empty name', info({ name: '' })],
    ['the name ..', info({ name: '..' })],
    ['a name with /', info({ name: 'a/b' })],
    ['an absolute name', info({ name: '/etc' })],
    ['a name with NUL', info({ name: 'a\0b' })],
    ['a name that is not UTF-8', info({ name: Buffer.from([0xff]) })],
    ['a name of 256 bytes', info({ name: 'n'.repeat(256) })],
    ['a name that is a number', info({ name: 7 })],
    ['no tree', info({ 'file tree': undefined })],
    ['a tree that is a list', info({ 'file tree': [] })],
    ['a tree that is a file', info({ 'file tree': file() })],
    ['a path through ..', withTree(['..', tree(['x', file()])])],
    ['a file called ..', withTree(['..', file()])],
    ['a file called .', withTree(['.', file()])],
    ['a file with / in its name', withTree(['a/../../x', file()])],
    ['an absolute path', withTree(['/etc/passwd', file()])],
    ['a file with NUL in its name', withTree(['a\0', file()])],
    ['a name of a file that is not UTF-8', info({ 'file tree': new Map([['\xff', file()]]) })],
    ['a name of a file of 256 bytes', withTree(['n'.repeat(256), file()])],
    ['an entry that is a number', withTree(['a', 1])],
    ['properties that are a list', withTree(['a', { '': [] }])],
    ['a file that is a directory too', withTree(['a', { '': { length: 0 }, b: file() }])],
    ['no length', withTree(['a', { '': { 'pieces root': root } }])],
    ['a negative length', withTree(['a', file({ length: -1 })])],
    ['a length that is text', withTree(['a', file({ length: '5' })])],
    ['no pieces root', withTree(['a', { '': { length: 5 } }])],
    ['a pieces root of 31 bytes', withTree(['a', file({ 'pieces root': Buffer.alloc(31) })])],
    ['a file of 2^53 bytes', withTree(['a', file({ length: Number.MAX_SAFE_INTEGER })])],
    ['pieces beyond number', withTree(['a', file({ length: 2 ** 45 })])],
    ['a piece length of 0', info({ 'piece length': 0 })],
    ['a piece length of 8 KiB', info({ 'piece length': 8_192 })],
    ['a piece length of 128 MiB', info({ 'piece length': 2 ** 27 })],
    ['a piece length that is no power of two', info({ 'piece length': 262_145 })],
    ['a negative piece length', info({ 'piece length': -262_144 })],
    ['a link without a target', withTree(['l', link()])],
    ['a link without target parts', withTree(['l', { '': { attr: 'l' } }])],
    ['a link to a number', withTree(['l', link(1)])],
    ['a link out of the tree', withTree(['l', link('..', 'x')])],
    ['a link out of the tree from below', withTree(['d', tree(['l', link('..', '..', 'x')])])],
    ['a link up after a name', withTree(['l', link('a', '..', '..', 'x')])],
    ['an absolute link', withTree(['l', link('', 'etc', 'passwd')])],
    ['a link with / in a part', withTree(['l', link('a/../../x')])],
    ['a link with NUL', withTree(['l', link('a\0')])],
    ['a link of 5,000 bytes', withTree(['l', link(...tooLong)])],
    ['a tree of 129 directories in each other', info({ 'file tree': nested(129) })],
    ['a tree of 10,000 directories', Buffer.from(`d9:file tree${'d1:d'.repeat(10_000)}`)],
    ['a path of over 4,096 bytes', info({ 'file tree': pathOf(tooLong) })],
  ])('%s', (_, encoded) => {
    expect(() => parseInfo(encoded)).toThrow(ImageError);
  });
});

function pathOf(names: readonly string[]): BencodeInput {
  return names.reduceRight<BencodeInput>((inner, name) => tree([name, inner]), file());
}

test('links that stay in the tree are read', () => {
  const here = ['d', tree(['l', link('..', 'file')], ['m', link('.')])] as [string, BencodeInput];
  expect(parseInfo(withTree(here, ['file', file()])).links).toEqual([
    { path: 'd/l', target: '../file' },
    { path: 'd/m', target: '.' },
  ]);
});

describe('a .torrent', () => {
  let metainfo: Metainfo;
  let bytes: Buffer;

  beforeAll(async () => {
    await withTemporaryDirectory(async (directory) => {
      const sketch = {
        large: seededBytes(1, 600_000),
        same: seededBytes(1, 600_000),
        'd/small': 'x',
        'd/link': { link: '../large' },
      };
      metainfo = (await bakeSketch(directory, sketch, { hybrid: true })).metainfo;
    });
    bytes = encodeTorrent(metainfo, ['http://tracker.example/', 'http://other.example/']);
  });

  const changed = (key: string, value: BencodeInput | undefined): Buffer => {
    const torrent = new Map<string, BencodeInput>(decodeBencode(bytes) as BencodeDictionary);
    if (value === undefined) torrent.delete(key);
    else torrent.set(key, value);
    return encodeBencode(torrent);
  };

  test('is read as it was written', () => {
    const read = parseTorrent(bytes);
    expect(read.info).toEqual(metainfo.info);
    expect(read.pieceLayers).toEqual(metainfo.pieceLayers);
    expect(encodeTorrent(read)).toEqual(encodeTorrent(metainfo));
  });

  test('is refused when it is cut off, whole or at its end', () => {
    for (let length = 0; length < bytes.length; length += 7) {
      expect(() => parseTorrent(bytes.subarray(0, length))).toThrow(ImageError);
    }
  });

  test('is refused without piece layers, or with wrong ones', () => {
    const layers = (decodeBencode(bytes) as BencodeDictionary).get(
      'piece layers',
    ) as BencodeDictionary;
    const [key, layer] = [...layers][0] as [string, Buffer];
    const wrong = Buffer.from(layer);
    wrong[40] = (wrong[40] ?? 0) ^ 1;
    const attempts: (BencodeInput | undefined)[] = [
      undefined,
      [],
      {},
      new Map([[key, 1]]),
      new Map([[key, wrong]]),
      new Map([[key, layer.subarray(0, 32)]]),
      new Map([[key, Buffer.concat([layer, Buffer.alloc(32)])]]),
    ];
    for (const attempt of attempts) {
      expect(() => parseTorrent(changed('piece layers', attempt))).toThrow(ImageError);
    }
  });

  test('is refused when it has no info dictionary, or is none itself', () => {
    for (const wrong of [undefined, [], 1, 'x']) {
      expect(() => parseTorrent(changed('info', wrong))).toThrow(ImageError);
    }
    expect(() => parseTorrent(encodeBencode([]))).toThrow(ImageError);
  });

  test('with any one byte changed is refused, or is another image, or is the same one', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ change;
        let read: Metainfo;
        try {
          read = parseTorrent(flipped);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageError);
          return;
        }
        // What lies outside of the info dictionary and the layers is no part of the image.
        if (read.info.imageId === metainfo.info.imageId) {
          expect(read.pieceLayers).toEqual(metainfo.pieceLayers);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
