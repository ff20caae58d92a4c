import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duplicatesWithin, planReuse, type ReusePlan } from '../../../src/image/index.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import {
  sketchedImage,
  sketchedMetainfo,
  type SketchedFiles,
} from '../../tools/sketched-metainfo.ts';

const kib = 1_024;
const none = () => false;
const data = seededBytes(1, 2_048 * kib);
const at = (pieces: number, end: number, size = 64 * kib) =>
  data.subarray(pieces * size, end * size);

/** The wanted pieces that a plan finds, each with where. */
function found(plan: ReusePlan): Map<number, string> {
  const places = new Map<number, string>();
  const { pieceSizeBytes } = plan.wanted.info;
  for (const { ranges } of plan.files) {
    for (const range of ranges) {
      for (let index = 0; index < range.pieceCount; index++) {
        const offset = range.sourceStartBytes + index * pieceSizeBytes;
        places.set(range.firstPiece + index, `${range.source.path}@${offset / kib}`);
      }
    }
  }
  return places;
}

function plan(wanted: SketchedFiles, stored: SketchedFiles, sizes = [64, 64]): ReusePlan {
  const [wantedSize = 64, storedSize = 64] = sizes;
  const metainfo = sketchedMetainfo(wanted, wantedSize * kib);
  return planReuse(metainfo, none, [sketchedImage(stored, storedSize * kib)]);
}

function leavesOf(bytes: Buffer): Buffer {
  const { pieceLayers } = sketchedMetainfo({ f: bytes }, 16 * kib);
  return [...pieceLayers.values()][0] ?? Buffer.alloc(0);
}

test('a file with the same content is linked where the executable bit is the same', () => {
  const wanted = { 'a*': at(0, 3), b: at(0, 3) };
  const { files } = plan(wanted, { other: at(0, 3) }, [64, 128]);
  expect(files.map(({ file, link }) => [file.path, link])).toEqual([
    ['a*', undefined],
    ['b', '/stored/other'],
  ]);
  expect(files.map(({ clone, ranges }) => [clone, ranges.length])).toEqual([
    ['/stored/other', 1],
    ['/stored/other', 1],
  ]);
});

test('of a file with an insertion, the neighbours from one place are one range', () => {
  const grown = Buffer.concat([at(0, 2), at(20, 21), at(2, 10)]);
  const { files, pieceCount, sizeBytes } = plan({ f: grown }, { f: at(0, 10) });
  expect(files[0]?.ranges).toMatchObject([
    { firstPiece: 0, pieceCount: 2, sourceStartBytes: 0 },
    { firstPiece: 3, pieceCount: 8, sourceStartBytes: 2 * 64 * kib },
  ]);
  expect([files[0]?.clone, pieceCount, sizeBytes]).toEqual([undefined, 10, 640 * kib]);
});

test('a file of which most pieces stayed in place starts from a clone', () => {
  const changed = Buffer.concat([at(0, 5), at(20, 21), at(6, 10)]);
  const { files } = plan({ f: changed }, { renamed: at(0, 10) });
  expect(files[0]).toMatchObject({ isNew: true, clone: '/stored/renamed', link: undefined });
});

test('the file that most pieces stayed in place of is preferred to one that was seen before', () => {
  const changed = Buffer.concat([at(0, 5), at(20, 21), at(6, 10)]);
  const wanted = sketchedMetainfo({ f: changed }, 64 * kib);
  const first = sketchedImage({ f: at(0, 2) }, 64 * kib, '/first');
  const second = sketchedImage({ f: at(0, 10) }, 64 * kib, '/second');
  const [file] = planReuse(wanted, none, [first, second]).files;
  expect(file?.ranges.map(({ source }) => source.path)).toEqual(['/second/f', '/second/f']);
});

test('a full only piece is found in the file that grew from it, a short one is not', () => {
  expect(found(plan({ f: at(0, 2) }, { f: at(0, 1) })).get(0)).toBe('/stored/f@0');
  const short = data.subarray(0, 60 * kib);
  expect(found(plan({ f: at(0, 2) }, { f: short })).size).toBe(0);
});

test('the short end of a file is found as the only piece of another, and the other way', () => {
  const long = data.subarray(0, 150 * kib);
  const end = long.subarray(128 * kib);
  expect(found(plan({ f: long }, { end })).get(2)).toBe('/stored/end@0');
  expect(found(plan({ f: end }, { long })).get(0)).toBe('/stored/long@128');
});

test('smaller pieces that are stored are put together, larger ones are known as whole files', () => {
  const shifted = Buffer.concat([at(9, 10), at(2, 6)]);
  expect([...found(plan({ f: shifted }, { f: at(0, 10) }, [64, 16])).keys()].length).toBe(5);
  const odd = Buffer.concat([data.subarray(0, 80 * kib), shifted]);
  expect(found(plan({ f: shifted }, { f: odd }, [64, 16])).size).toBe(0);
  expect(found(plan({ f: shifted }, { f: at(0, 10) }, [64, 128])).size).toBe(0);
  const small = { f: at(3, 4), g: at(0, 2) };
  expect([...found(plan({ f: at(3, 5) }, small, [64, 256]))]).toEqual([[0, '/stored/f@0']]);
});

test('what is here already is not planned, and is a source for the rest of the image', () => {
  const wanted = sketchedMetainfo({ a: at(0, 3), b: at(1, 3) }, 64 * kib);
  const have = new Set([0, 1]);
  const own = planReuse(wanted, (piece) => have.has(piece), []);
  expect([...found(own)]).toEqual([[3, 'a@64']]);
  expect(own.files[0]).toMatchObject({ isNew: true, ranges: [{ source: { kind: 'own' } }] });
  expect(planReuse(wanted, () => true, [sketchedImage({ x: at(0, 3) }, 64 * kib)]).files).toEqual(
    [],
  );
});

test('a hash that is said to be of another length is not the same range', () => {
  const wanted = sketchedMetainfo({ f: at(0, 1) }, 64 * kib);
  const stored = sketchedImage({ f: at(0, 1) }, 64 * kib);
  const [file] = stored.metainfo.info.files;
  const lying = { ...stored.metainfo.info, files: [{ ...file, sizeBytes: 60 * kib }] };
  const info = lying as typeof stored.metainfo.info;
  const image = { ...stored, metainfo: { ...stored.metainfo, info } };
  expect(planReuse(wanted, none, [image]).files).toEqual([]);
});

test('content of two hashes is not taken for the tree above them', () => {
  const two = Buffer.alloc(2 * 16 * kib, 'x');
  const wanted = sketchedMetainfo({ f: two }, 32 * kib);
  const [low, high] = [16, 32].map((size) => sketchedImage({ f: leavesOf(two) }, size * kib));
  expect(low?.metainfo.info.files[0]?.root).toEqual(wanted.info.files[0]?.root);
  expect(planReuse(wanted, none, low && high ? [low, high] : []).files).toEqual([]);
});

test('a hundred thousand zero pieces take no more than linear time', { timeout: 20_000 }, () => {
  const zeros = Buffer.alloc(16 * kib);
  const many = sketchedMetainfo({ f: zeros }, 16 * kib);
  const count = 100_000;
  const [file] = many.info.files;
  const layer = Buffer.concat(Array.from({ length: count }, () => file?.root ?? Buffer.alloc(32)));
  const root = seededBytes(1, 32);
  const large = { ...file, sizeBytes: count * 16 * kib, pieceCount: count, root };
  const info = { ...many.info, pieceCount: count, files: [large] } as typeof many.info;
  const pieceLayers = new Map([[root.toString('hex'), layer]]);
  const metainfo = { info, pieceLayers };
  const other = { ...info, files: [{ ...large, sizeBytes: large.sizeBytes - 16 * kib }] };
  const stored = { imageId: '', tree: '/s', metainfo: { info: other as typeof info, pieceLayers } };
  expect(planReuse(metainfo, none, [stored]).pieceCount).toBe(count);
});

test('pieces with the same bytes are one group, also an only piece and the last of a file', () => {
  const long = data.subarray(0, 150 * kib);
  const files = { a: long, b: at(5, 6), c: long.subarray(128 * kib), d: at(1, 2) };
  expect(duplicatesWithin(sketchedMetainfo(files, 64 * kib))).toEqual([
    [1, 5],
    [2, 4],
  ]);
});

/** Content of few different blocks, so that the same runs come up again, with odd ends. */
const content = fc
  .tuple(fc.array(fc.nat({ max: 2 }), { maxLength: 9 }), fc.constantFrom(0, 0, 1, 5_000))
  .map(([blocks, rest]) => {
    const parts = blocks.map((block) => data.subarray(block * 16 * kib, (block + 1) * 16 * kib));
    return Buffer.concat([...parts, data.subarray(0, rest)]);
  });
const trees = fc
  .array(fc.tuple(content, fc.boolean()), { maxLength: 4 })
  .map((files): SketchedFiles =>
    Object.fromEntries(files.map(([bytes, x], index) => [x ? `${index}*` : `${index}`, bytes])),
  );
const pieceSizes = fc.constantFrom(16 * kib, 32 * kib, 64 * kib);

/** The pieces of a tree as they are, with their places. */
function* piecesOf(files: SketchedFiles, pieceSizeBytes: number) {
  for (const path of Object.keys(files).sort()) {
    const bytes = files[path] ?? Buffer.alloc(0);
    for (let start = 0; start < bytes.length; start += pieceSizeBytes) {
      yield { path, bytes: bytes.subarray(start, start + pieceSizeBytes), file: bytes };
    }
  }
}

test('a planned range has the very bytes, and what is not planned lies nowhere aligned', () => {
  fc.assert(
    fc.property(trees, trees, pieceSizes, pieceSizes, fc.nat(), (wanted, stored, p, q, mask) => {
      const metainfo = sketchedMetainfo(wanted, p);
      const has = (piece: number) => (mask & (1 << (piece % 30))) !== 0;
      const reuse = planReuse(metainfo, has, [sketchedImage(stored, q)]);
      const places = found(reuse);
      const here = [...piecesOf(wanted, p)];
      const there = [...piecesOf(stored, p)];
      for (const [piece, { bytes, file }] of here.entries()) {
        const place = places.get(piece);
        if (has(piece)) expect(place).toBeUndefined();
        else if (place === undefined) {
          const own = here.filter((_, other) => has(other));
          // Of larger pieces only whole files are known, and files of one wanted piece.
          const known = there.filter((other) => q <= p || other.file.length <= p);
          expect([...own, ...known].some((other) => other.bytes.equals(bytes))).toBe(false);
          expect(Object.values(stored).some((other) => other.equals(file))).toBe(false);
        } else {
          const [path = '', offset] = place.split('@');
          const sources = path.startsWith('/stored/') ? stored : wanted;
          const source = sources[path.replace('/stored/', '')];
          const start = Number(offset) * kib;
          expect(source?.subarray(start, start + p).equals(bytes)).toBe(true);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

test('paths of stored files are absolute, of own ones relative to the tree', () => {
  const { files } = plan({ 'd/f': at(0, 2) }, { 'e/g': at(0, 2) });
  expect(files[0]?.link).toBe(join('/stored', 'e/g'));
});
