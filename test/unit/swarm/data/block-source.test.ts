import { readdirSync, readlinkSync } from 'node:fs';
import { rename, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../../../src/swarm/message.ts';
import {
  BlockSource,
  type BlockRun,
  type WireRun,
} from '../../../../src/swarm/data/block-source.ts';
import { makeImageLayout, setHeld } from '../../../../src/swarm/data/image-layout.ts';
import { OpenImage } from '../../../../src/swarm/data/open-image.ts';
import { SharedRate } from '../../../../src/swarm/data/shared-rate.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { writtenImage, type FlatImage } from './flat-image.ts';

const kib = 1 << 10;
const pieceSizeBytes = 256 * kib;

/** An image of files behind each other, as BitTorrent v1 sees it, and the row of its bytes. */
async function v1Image(): Promise<{ open: OpenImage; row: Buffer }> {
  const tree = await temporaryDirectory();
  const sizes = [300_000, 5, 70_000, 200_000, 1, 400_000];
  const files = Object.fromEntries(
    sizes.map((size, index) => [`f${index}`, seededBytes(index, size)]),
  );
  await writtenImage({ files, pieceSizeBytes, tree });
  let at = 0;
  const places = Object.entries(files).map(([path, content], index) => {
    // Two of them are padded, so there are zeros between.
    const startBytes = at + (index === 2 || index === 4 ? 1_234 : 0);
    at = startBytes + content.length;
    return { path, startBytes, sizeBytes: content.length };
  });
  const pieceCount = Math.ceil(at / pieceSizeBytes);
  const row = Buffer.alloc(pieceCount * pieceSizeBytes);
  for (const { path, startBytes } of places) files[path]?.copy(row, startBytes);
  const layout = makeImageLayout({ pieceSizeBytes, pieceCount, files: places });
  for (let piece = 0; piece < pieceCount; piece++) setHeld(layout, piece, true);
  const rate = () => SharedRate.create(Infinity);
  const open = new OpenImage({ key: 2, layout, tree, uploadRate: rate(), downloadRate: rate() });
  return { open, row };
}

const makeImage = async (): Promise<FlatImage> =>
  await writtenImage({
    tree: await temporaryDirectory(),
    pieceSizeBytes,
    files: {
      large: seededBytes(1, 1_000_000),
      small: seededBytes(2, 30_000),
      middle: seededBytes(3, 200_000),
      tiny: Buffer.from('x'),
    },
  });

/** The row of an image's bytes, each file at a piece. */
function rowOf(image: FlatImage): Buffer {
  const row = Buffer.alloc(image.layout.pieceCount * pieceSizeBytes);
  for (let piece = 0; piece < image.layout.pieceCount; piece++) {
    image.contentOf(piece).copy(row, piece * pieceSizeBytes);
  }
  return row;
}

/** The messages that are to come out for a run. */
function wireOf(row: Buffer, { piece, beginBytes, totalBytes, blockBytes }: BlockRun): Buffer {
  const messages: Buffer[] = [];
  for (let done = 0; done < totalBytes; done += blockBytes) {
    const begin = beginBytes + done;
    const from = piece * pieceSizeBytes + begin;
    const data = row.subarray(from, from + Math.min(blockBytes, totalBytes - done));
    messages.push(encodeMessage({ type: 'piece', piece, beginBytes: begin, data }));
  }
  return Buffer.concat(messages);
}

const anyRun = (pieceCount: number): fc.Arbitrary<BlockRun> =>
  fc
    .record({
      piece: fc.nat(pieceCount - 1),
      beginBytes: fc.oneof(
        fc.nat(pieceSizeBytes - 1),
        fc.nat(15).map((at) => at * 16 * kib),
      ),
      length: fc.nat(pieceSizeBytes),
      blockBytes: fc.oneof(fc.constant(16 * kib), fc.integer({ min: 1_000, max: 256 * kib })),
    })
    .map(({ piece, beginBytes, length, blockBytes }) => ({
      piece,
      beginBytes,
      totalBytes: Math.max(1, Math.min(length, pieceSizeBytes - beginBytes)),
      blockBytes,
    }));

function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${number}`);
      return target.startsWith(`${folder}/`) ? [target] : [];
    } catch {
      return [];
    }
  });
}

const run = (piece: number, beginBytes = 0, totalBytes = 64 * kib): BlockRun => ({
  piece,
  beginBytes,
  totalBytes,
  blockBytes: 16 * kib,
});

describe('the bytes of a run are the messages of its blocks', () => {
  test.each([1 << 20, 1])('when %s bytes are kept', async (limitBytes) => {
    const image = await makeImage();
    const v1 = await v1Image();
    const sources = [
      { open: image.open, row: rowOf(image), pieces: image.layout.pieceCount },
      { open: v1.open, row: v1.row, pieces: v1.open.layout.data.pieceCount },
    ];
    for (const { open, row, pieces } of sources) {
      const source = new BlockSource({ limitBytes });
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyRun(pieces), { minLength: 1, maxLength: 8 }),
          fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
          async (runs, keeps) => {
            // Some give back at once, so that their memory is used for the next.
            const lent: { wire: WireRun; expected: Buffer }[] = [];
            await Promise.all(
              runs.map(async (one, index) => {
                const wire = await source.read(open, one);
                const expected = wireOf(row, one);
                expect(wire.bytes.equals(expected)).toBe(true);
                if (keeps[index] === true) lent.push({ wire, expected });
                else wire.giveBack();
              }),
            );
            for (const { wire, expected } of lent) {
              expect(wire.bytes.equals(expected)).toBe(true);
              wire.giveBack();
            }
          },
        ),
        { numRuns: 40 },
      );
      source.closeAll();
    }
  });
});

test('what many ask for at once is read from the disk once, and later not at all', async () => {
  const image = await makeImage();
  const source = new BlockSource({ limitBytes: 1 << 20 });
  const all = await Promise.all(
    Array.from({ length: 50 }, async () => await source.read(image.open, run(0))),
  );
  expect(source.readBytes).toBe(64 * kib);
  for (const wire of all) {
    expect(wire.bytes).toBe(all[0]?.bytes);
    wire.giveBack();
  }
  (await source.read(image.open, run(0))).giveBack();
  expect(source.readBytes).toBe(64 * kib);
  source.closeAll();
});

test('what is kept is bounded: the oldest is read again', async () => {
  const image = await makeImage();
  const source = new BlockSource({ limitBytes: 200 * kib });
  for (const piece of [0, 1, 2, 0, 1, 2]) (await source.read(image.open, run(piece))).giveBack();
  expect(source.readBytes).toBe(3 * 64 * kib);
  // A fourth takes the place of the first, which was used the longest ago.
  for (const begin of [64 * kib, 0]) {
    (await source.read(image.open, run(0, begin))).giveBack();
  }
  expect(source.readBytes).toBe(5 * 64 * kib);
  source.closeAll();
});

test('what is lent stays as it is, though it is forgotten and others are read', async () => {
  const image = await makeImage();
  const source = new BlockSource({ limitBytes: 64 * kib });
  const row = rowOf(image);
  const lent = await source.read(image.open, run(0));
  for (let begin = 0; begin < 4; begin++) {
    (await source.read(image.open, run(1, begin * 64 * kib))).giveBack();
  }
  source.close(image.open);
  (await source.read(image.open, run(2))).giveBack();
  expect(lent.bytes.equals(wireOf(row, run(0)))).toBe(true);
  lent.giveBack();
  source.closeAll();
});

test('a tree that was moved a moment ago is read where it was moved to', async () => {
  const image = await makeImage();
  const elsewhere = join(await temporaryDirectory(), 'moved');
  image.open.movesTo = elsewhere;
  await rename(image.open.tree, elsewhere);
  const source = new BlockSource({ limitBytes: 1 });
  for (const piece of [0, 4]) {
    const wire = await source.read(image.open, run(piece, 0, 1));
    expect(wire.bytes.equals(wireOf(rowOf(image), run(piece, 0, 1)))).toBe(true);
    wire.giveBack();
  }
  source.closeAll();
  await rename(elsewhere, image.open.tree);
});

describe('a file that is shorter than it was', () => {
  test.each([
    ['large', 1],
    ['small', 4],
  ])('is an error of the disk that names it (%s)', async (name, piece) => {
    const image = await makeImage();
    await truncate(join(image.open.tree, name), 100);
    const source = new BlockSource({ limitBytes: 1 << 20 });
    const reading = async () => await source.read(image.open, run(piece, 0, 16 * kib));
    await expect(reading()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(reading()).rejects.toThrow(`${name}" is shorter`);
    source.closeAll();
    expect(openBelow(image.open.tree)).toEqual([]);
  });
});

test('closing an image closes its files, and those in use when they are given back', async () => {
  const image = await makeImage();
  const source = new BlockSource({ limitBytes: 1 << 20 });
  (await source.read(image.open, run(0))).giveBack();
  expect(openBelow(image.open.tree)).toHaveLength(1);
  const reading = source.read(image.open, run(1));
  source.close(image.open);
  (await reading).giveBack();
  expect(openBelow(image.open.tree)).toEqual([]);
  source.closeAll();
});
