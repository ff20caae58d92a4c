import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  encodeV1,
  firstDifference,
  hashV1,
  infoHashV1,
  listTree,
  makeSmallFiles,
  RandomStream,
  sketchSmallFiles,
} from '../../../bench/payload/index.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const { signal } = new AbortController();

describe('the tree of small files', () => {
  test('has sizes as a node_modules has', () => {
    const sizes = sketchSmallFiles(20_000, new RandomStream('x')).map((file) => file.sizeBytes);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const usual = sizes.filter((size) => size >= 200 && size <= 8 << 10).length;
    expect(total).toBeGreaterThan(150e6);
    expect(total).toBeLessThan(200e6);
    expect(usual / sizes.length).toBeGreaterThan(0.8);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(200 << 10);
    expect(Math.max(...sizes)).toBeGreaterThan(150 << 10);
  });

  test('is the same for the same seed, and another for another', async () => {
    const make = async (seed: string) => {
      const directory = await temporaryDirectory();
      await makeSmallFiles(directory, { count: 40, seed }, { signal });
      return await listTree(directory, { signal });
    };
    const [one, same, another] = [await make('a'), await make('a'), await make('b')];
    expect(firstDifference(one, same)).toBeUndefined();
    expect(firstDifference(one, another)).toBeDefined();
  });
});

describe('what arrived', () => {
  const listed = (path: string, digest = 'd', sizeBytes = 1) => ({ path, digest, sizeBytes });
  const expected = [listed('a'), listed('b')];

  test.each([
    ['"b" is missing', [listed('a')]],
    ['"a" is missing', [listed('b')]],
    ['"c" is too many', [...expected, listed('c')]],
    ['"b" has other content', [listed('a'), listed('b', 'other')]],
    [undefined, [...expected]],
  ])('is compared: %s', (difference, actual) => {
    expect(firstDifference(actual, expected)).toBe(difference);
  });
});

test('a v1 torrent hashes its files one after the other, across their borders', async () => {
  const tree = await temporaryDirectory();
  const [first, second] = [Buffer.alloc(25, 'a'), Buffer.alloc(10, 'b')];
  await writeFile(join(tree, 'a'), first);
  await writeFile(join(tree, 'b'), second);
  const files = await listTree(tree, { signal });
  const info = await hashV1(tree, { name: 't', pieceSizeBytes: 16, files }, { signal });
  const whole = Buffer.concat([first, second]);
  const expected = [0, 16, 32].map((at) =>
    createHash('sha1')
      .update(whole.subarray(at, at + 16))
      .digest(),
  );
  expect(info.pieces).toEqual(Buffer.concat(expected));
  const encoded = encodeV1(info, 'http://tracker/announce').toString('latin1');
  const dictionary = encoded.slice(encoded.indexOf('4:info') + 6, -1);
  const hash = createHash('sha1').update(Buffer.from(dictionary, 'latin1')).digest('hex');
  expect(infoHashV1(info)).toBe(hash);
});
