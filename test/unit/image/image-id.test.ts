import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ImageError } from '../../../src/errors.ts';
import { imageIdOf, infoHashOf, looksLikeImageId } from '../../../src/image/image-id.ts';
import { magnetLink, parseMagnet } from '../../../src/image/magnet.ts';

const infoHash = Buffer.from(
  'c1c4524d8418d8544580d932e82dcdd4266089ce3fb1e9e387d964a0f62078ea',
  'hex',
);
const imageId = 'baf5reigbyrje3bay3bkelagzgluc3touezqittr7whu6hb6zmsqpmidy5i';
const anyHash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));

test('an info-hash and its image id are those of the fixed vector', () => {
  expect(imageIdOf(infoHash)).toBe(imageId);
  expect(infoHashOf(imageId).equals(infoHash)).toBe(true);
});

test('every info-hash has one image id, and back', () => {
  fc.assert(
    fc.property(anyHash, (hash) => {
      const id = imageIdOf(hash);
      expect(looksLikeImageId(id)).toBe(true);
      expect(infoHashOf(id).equals(hash)).toBe(true);
    }),
  );
});

test.each([
  ['nothing', ''],
  ['a word', 'latest'],
  ['an id in capitals', imageId.toUpperCase()],
  ['an id that lacks its end', imageId.slice(0, -1)],
  ['an id with something after it', `${imageId}a`],
  ['an id whose spare bits are set', `${imageId.slice(0, -1)}j`],
  ['the CID of a raw block', 'bafkreigbyrje3bay3bkelagzgluc3touezqittr7whu6hb6zmsqpmidy5i'],
  ['a CID of version 0', 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG'],
  ['a path', '../../etc/passwd'],
  ['an id in base58', 'z5RSMjPjYkzP'],
  ['a megabyte', 'b'.repeat(1 << 20)],
])('%s is not an image id', (_, text) => {
  expect(() => infoHashOf(text)).toThrow(ImageError);
  expect(() => infoHashOf(text)).toThrow('is not an image id');
});

test('a magnet link names the image by the multihash of its info-hash', () => {
  const link = magnetLink({ infoHash });
  expect(link).toBe(`magnet:?xt=urn:btmh:1220${infoHash.toString('hex')}`);
  expect(parseMagnet(link)).toEqual({ imageId, infoHash, trackers: [] });
});

test.each(['0123456789abcdef0123456789ABCDEF01234567', 'AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH'])(
  'a magnet link of a hybrid has its v1 info-hash too, in hex or base32',
  (v1) => {
    const { v1InfoHash } = parseMagnet(`${magnetLink({ infoHash })}&xt=urn:btih:${v1}`);
    expect(v1InfoHash?.toString('hex')).toBe('0123456789abcdef0123456789abcdef01234567');
  },
);

test('what is written into a magnet link is read from it', () => {
  fc.assert(
    fc.property(
      anyHash,
      fc.string({ unit: 'binary', maxLength: 50 }).filter((text) => text.isWellFormed()),
      fc.array(fc.webUrl(), { maxLength: 3 }),
      (hash, name, trackers) => {
        const read = parseMagnet(magnetLink({ infoHash: hash, name, trackers }));
        expect(read).toEqual({ imageId: imageIdOf(hash), infoHash: hash, name, trackers });
      },
    ),
  );
});

test.each([
  ['no magnet link', 'http://example.com/?xt=urn:btmh:1220'],
  ['one without a topic', 'magnet:?dn=name'],
  ['one of a v1 torrent', `magnet:?xt=urn:btih:${'0'.repeat(40)}`],
  ['one whose v1 hash is none', `magnet:?xt=urn:btmh:1220${'0'.repeat(64)}&xt=urn:btih:12`],
  ['one with another hash function', `magnet:?xt=urn:btmh:1114${'0'.repeat(40)}`],
  ['one whose hash is too short', `magnet:?xt=urn:btmh:1220${'0'.repeat(63)}`],
  ['one whose hash is too long', `magnet:?xt=urn:btmh:1220${'0'.repeat(65)}`],
  ['one whose hash is not hexadecimal', `magnet:?xt=urn:btmh:1220${'g'.repeat(64)}`],
  ['one that is endless', `magnet:?xt=urn:btmh:1220${'0'.repeat(64)}&dn=${'a'.repeat(20_000)}`],
])('%s is refused', (_, text) => {
  expect(() => parseMagnet(text)).toThrow(ImageError);
  expect(() => parseMagnet(text)).toThrow("the magnet link can't be used");
});
