import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ImageLayout,
  makeImageLayout,
  setHeld,
  type LayoutFile,
} from '../../../../src/swarm/data/image-layout.ts';
import { seededBytes } from '../../../tools/seeded-random.ts';
import { flatImage } from './flat-image.ts';

const pieceSizeBytes = 32;

/** Files in a row with gaps between them, as both versions of BitTorrent lay them out. */
const anyFiles = fc
  .array(fc.record({ gap: fc.nat(40), size: fc.integer({ min: 1, max: 90 }) }), { minLength: 1 })
  .map((list) => {
    let at = 0;
    return list.map(({ gap, size }, index): LayoutFile => {
      const startBytes = at + gap;
      at = startBytes + size;
      return { path: `d/файл ${index}`, startBytes, sizeBytes: size };
    });
  });

const layoutOf = (files: readonly LayoutFile[]) => {
  const end = files.at(-1);
  const rowBytes = (end?.startBytes ?? 0) + (end?.sizeBytes ?? 0);
  const pieceCount = Math.ceil(rowBytes / pieceSizeBytes);
  return {
    rowBytes,
    layout: new ImageLayout(makeImageLayout({ pieceSizeBytes, pieceCount, files })),
  };
};

describe('the parts of a range', () => {
  test('are where each of its bytes lies, and nothing else', () => {
    fc.assert(
      fc.property(anyFiles, fc.nat(), fc.nat(200), (files, seed, lengthBytes) => {
        const { layout, rowBytes } = layoutOf(files);
        const start = seed % (rowBytes + 50);
        const seen = Array.from({ length: lengthBytes }, () => '');
        let before = -1;
        for (const part of layout.partsOf(start, lengthBytes)) {
          expect(part.lengthBytes).toBeGreaterThan(0);
          expect(part.atBytes).toBeGreaterThan(before);
          before = part.atBytes;
          for (let byte = 0; byte < part.lengthBytes; byte++) {
            expect(seen[part.atBytes + byte]).toBe('');
            seen[part.atBytes + byte] = `${part.file}:${part.offsetBytes + byte}`;
          }
        }
        const model = seen.map((_, index) => {
          const place = start + index;
          const file = files.findIndex(
            (one) => one.startBytes <= place && place < one.startBytes + one.sizeBytes,
          );
          return file < 0 ? '' : `${file}:${place - (files[file]?.startBytes ?? 0)}`;
        });
        expect(seen).toEqual(model);
      }),
      { numRuns: 500 },
    );
  });

  test('lie also beyond four gigabytes', () => {
    const files = [
      { path: 'a', startBytes: 0, sizeBytes: 2 ** 40 },
      { path: 'b', startBytes: 2 ** 40, sizeBytes: 100 },
    ];
    const layout = new ImageLayout(
      makeImageLayout({ pieceSizeBytes: 2 ** 24, pieceCount: 2 ** 16 + 1, files }),
    );
    expect(layout.partsOf(2 ** 40 - 10, 20)).toEqual([
      { file: 0, offsetBytes: 2 ** 40 - 10, lengthBytes: 10, atBytes: 0 },
      { file: 1, offsetBytes: 0, lengthBytes: 10, atBytes: 10 },
    ]);
  });
});

test('a piece lies in one file, and its place and hash are found from its number', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 150_000 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sizes, (list) => {
      const files = Object.fromEntries(
        list.map((size, index) => [`f${index}`, seededBytes(index, size)]),
      );
      const image = flatImage({ files, pieceSizeBytes: 32_768 });
      const layout = new ImageLayout(image.layout);
      let piece = 0;
      list.forEach((size, file) => {
        expect(layout.isOnePiece(file)).toBe(size <= 32_768);
        expect(layout.fileSizeBytes(file)).toBe(size);
        for (let offsetBytes = 0; offsetBytes < size; offsetBytes += 32_768, piece++) {
          const lengthBytes = Math.min(32_768, size - offsetBytes);
          expect(layout.placeOf(piece)).toEqual({ file, offsetBytes, lengthBytes, atBytes: 0 });
          expect(layout.hashOf(piece)).toHaveLength(32);
        }
      });
      expect(image.layout.pieceCount).toBe(piece);
    }),
    { numRuns: 50 },
  );
});

test('paths come out as they went in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), { minLength: 1 }),
      (paths) => {
        const files = paths.map((path, index) => ({ path, startBytes: index * 4, sizeBytes: 1 }));
        const layout = new ImageLayout(
          makeImageLayout({ pieceSizeBytes, pieceCount: paths.length, files }),
        );
        expect(paths.map((_, file) => layout.pathOf(file))).toEqual(paths);
      },
    ),
  );
});

test('what is held is what was noted last, seen alike in every view of the memory', () => {
  const steps = fc.array(fc.record({ piece: fc.nat(20), held: fc.boolean() }), { maxLength: 80 });
  fc.assert(
    fc.property(steps, (list) => {
      const files = [{ path: 'a', startBytes: 0, sizeBytes: 21 * pieceSizeBytes }];
      const data = makeImageLayout({ pieceSizeBytes, pieceCount: 21, files });
      const views = [new ImageLayout(data), new ImageLayout(structuredClone(data))];
      const model = new Set<number>();
      for (const { piece, held } of list) {
        setHeld(data, piece, held);
        if (held) model.add(piece);
        else model.delete(piece);
        for (const view of views) {
          for (let at = 0; at < 21; at++) expect(view.has(at)).toBe(model.has(at));
        }
      }
    }),
  );
});

test('a piece that the image has not is not held', () => {
  const { layout } = flatImage({ files: { a: seededBytes(1, 40_000) }, pieceSizeBytes: 16_384 });
  for (let piece = 0; piece < layout.pieceCount; piece++) setHeld(layout, piece, true);
  const view = new ImageLayout(layout);
  for (const piece of [3, 7, 8, 1_000, 0xffff_ffff]) expect(view.has(piece)).toBe(false);
});
