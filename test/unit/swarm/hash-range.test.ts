import fc from 'fast-check';
import { beforeAll, afterAll, expect, test } from 'vitest';
import {
  blockCount,
  hashBlocks,
  heightFor,
  layerAbove,
  removeTree,
  type ImageFile,
  type StoredImage,
} from '../../../src/image/index.ts';
import { answerHashRange, pieceLayerRanges, provenHashes } from '../../../src/swarm/hash-range.ts';
import { ImageReader } from '../../../src/swarm/image-reader.ts';
import type { HashRange } from '../../../src/swarm/message.ts';
import { PieceMap } from '../../../src/swarm/piece-map.ts';
import { bakeSketch } from '../../tools/baked-image.ts';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededBytes } from '../../tools/seeded-random.ts';

const pieceSizeBytes = 65_536;
const sizes = [1, 16_384, 16_385, 65_536, 65_537, 131_072, 200_000, 262_144, 1_000_000];
let directory: string;
let image: StoredImage;
let reader: ImageReader;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'starling-test-'));
  const data = seededBytes(1, 1_000_000);
  const sketch = Object.fromEntries(sizes.map((size) => [`${size}`, data.subarray(0, size)]));
  image = await bakeSketch(directory, sketch, { pieceSizeBytes });
  reader = new ImageReader({ info: image.metainfo.info, tree: image.tree });
});

afterAll(async () => {
  reader[Symbol.dispose]();
  await removeTree(directory);
});

const ask = async (range: HashRange, has = (_: number) => true) => {
  const { metainfo } = image;
  const pieces = new PieceMap(metainfo.info);
  return await answerHashRange(range, { metainfo, pieces, reader, has });
};

const fileOf = (size: number): ImageFile => {
  const found = image.metainfo.info.files.find(({ path }) => path === `${size}`);
  if (found === undefined) throw new Error(`there is no file of ${size} bytes`);
  return found;
};

/** All layers of a file's tree, filled up with zero leaves: the naive way. */
async function naiveLayers(file: ImageFile): Promise<Buffer[]> {
  const leaves = hashBlocks(await readFile(join(image.tree, file.path)));
  const height = heightFor(blockCount(file.sizeBytes));
  const full = Buffer.concat([leaves], 2 ** height * 32);
  const layers: Buffer[] = [full];
  for (let at = 0; at < height; at++) layers.push(layerAbove(layers.at(-1) ?? full, at));
  return layers;
}

test('every range of every layer is answered as the naive tree says, and proves itself', async () => {
  for (const file of sizes.map(fileOf)) {
    const layers = await naiveLayers(file);
    const height = layers.length - 1;
    for (let baseLayer = 0; baseLayer < height; baseLayer++) {
      for (let length = 2; length <= 2 ** (height - baseLayer); length *= 2) {
        for (let index = 0; index < 2 ** (height - baseLayer); index += length) {
          const proofLayers = height - baseLayer - 1;
          const range = {
            root: file.root ?? Buffer.alloc(32),
            baseLayer,
            index,
            length,
            proofLayers,
          };
          const answer = await ask(range);
          const expected = layers[baseLayer]?.subarray(index * 32, (index + length) * 32);
          expect(answer?.subarray(0, length * 32).equals(expected ?? Buffer.alloc(0))).toBe(true);
          const proven = provenHashes(file, range, answer ?? Buffer.alloc(0));
          expect(proven?.equals(expected ?? Buffer.alloc(0))).toBe(true);
        }
      }
    }
  }
});

test('the ranges of a piece layer cover it, and their answers make it up', async () => {
  for (const file of sizes.map(fileOf)) {
    const hashes: Buffer[] = [];
    for (const range of pieceLayerRanges(file, pieceSizeBytes)) {
      const proven = provenHashes(file, range, (await ask(range)) ?? Buffer.alloc(0));
      hashes.push(proven ?? Buffer.alloc(0));
    }
    const layer = image.metainfo.pieceLayers.get(file.root?.toString('hex') ?? '');
    const got = Buffer.concat(hashes).subarray(0, file.pieceCount * 32);
    if (file.pieceCount > 1) expect(got.equals(layer ?? Buffer.alloc(0))).toBe(true);
    else expect(got).toHaveLength(0);
  }
});

test('a layer of more hashes than a request may have is asked for in several', () => {
  const file = { ...fileOf(1_000_000), sizeBytes: 1_300 * pieceSizeBytes, pieceCount: 1_300 };
  const ranges = pieceLayerRanges(file, pieceSizeBytes);
  expect(ranges.map(({ index, length }) => [index, length])).toEqual([
    [0, 512],
    [512, 512],
    [1_024, 512],
  ]);
  expect(ranges.every(({ baseLayer, proofLayers }) => baseLayer === 2 && proofLayers === 10)).toBe(
    true,
  );
});

test('an answer with any one byte changed, left out or added is not proven', async () => {
  const file = fileOf(1_000_000);
  const root = file.root ?? Buffer.alloc(32);
  const range = { root, baseLayer: 0, index: 8, length: 4, proofLayers: 5 };
  const answer = (await ask(range)) ?? Buffer.alloc(0);
  expect(provenHashes(file, range, answer)).toBeDefined();
  fc.assert(
    fc.property(fc.nat(answer.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const wrong = Buffer.from(answer);
      wrong[at] = (wrong[at] ?? 0) ^ change;
      expect(provenHashes(file, range, wrong)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
  expect(provenHashes(file, range, answer.subarray(0, -32))).toBeUndefined();
  expect(provenHashes(file, range, Buffer.concat([answer, Buffer.alloc(32)]))).toBeUndefined();
  expect(provenHashes(file, { ...range, index: 12 }, answer)).toBeUndefined();
});

test('a request that is malformed has no answer', async () => {
  const good = { root: fileOf(1_000_000).root ?? Buffer.alloc(32), proofLayers: 3 };
  const base = { ...good, baseLayer: 2, index: 0, length: 4 };
  expect(await ask(base)).toBeDefined();
  const malformed: Partial<HashRange>[] = [
    { root: Buffer.alloc(32, 9) },
    { length: 0 },
    { length: 1 },
    { length: 3 },
    { length: 1_024 },
    { length: 0xffff_ffff },
    { index: 2 },
    { index: 16 },
    { index: 0xffff_fffc },
    { baseLayer: 6 },
    { baseLayer: 0xffff_ffff },
    { proofLayers: 4 },
    { proofLayers: 0xffff_ffff },
  ];
  for (const wrong of malformed) expect(await ask({ ...base, ...wrong })).toBeUndefined();
});

test('any request at all has a proven answer or none', async () => {
  const files = sizes.map(fileOf);
  const small = fc.oneof(fc.nat(80), fc.integer({ min: 0, max: 0xffff_ffff }));
  const length = fc.oneof(fc.constantFrom(2, 4, 8, 16, 32, 64), small);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...files),
      fc.record({ baseLayer: fc.nat(8), index: small, length, proofLayers: fc.nat(8) }),
      async (file, rest) => {
        const range = { root: file.root ?? Buffer.alloc(32), ...rest };
        const answer = await ask(range);
        if (answer === undefined) return;
        expect(answer.length % 32).toBe(0);
        const height = heightFor(blockCount(file.sizeBytes));
        const isWhole = range.proofLayers === height - range.baseLayer - 1;
        if (isWhole) expect(provenHashes(file, range, answer)).toBeDefined();
      },
    ),
    { numRuns: 300 },
  );
});

test('leaves of pieces that are not here have no answer, the layers above them do', async () => {
  const root = fileOf(1_000_000).root ?? Buffer.alloc(32);
  const none = () => false;
  const leaves = { root, baseLayer: 0, index: 0, length: 4, proofLayers: 5 };
  expect(await ask(leaves, none)).toBeUndefined();
  expect(await ask({ ...leaves, baseLayer: 2, proofLayers: 3 }, none)).toBeDefined();
});
