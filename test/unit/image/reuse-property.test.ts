import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bakeSketch } from '../../tools/baked-image.ts';
import { reuseInto } from '../../tools/reuse-into.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import type { TreeSketch } from '../../tools/tree-sketch.ts';
import { withTemporaryDirectory } from '../../tools/with-temporary-directory.ts';

const pieceSizeBytes = 32_768;
const data = seededBytes(3, 20 * pieceSizeBytes);
const unit = 16_384;

interface File {
  readonly path: string;
  readonly executable: boolean;
  readonly bytes: Buffer;
}

/** Content out of few blocks, so that the same pieces come up in several places. */
const bytesOf = (blocks: readonly number[], rest: number): Buffer =>
  Buffer.concat([
    ...blocks.map((block) => data.subarray(block * unit, (block + 1) * unit)),
    data.subarray(0, rest),
  ]);
const content = fc
  .tuple(fc.array(fc.nat({ max: 5 }), { maxLength: 14 }), fc.constantFrom(0, 0, 1, 9_000))
  .map(([blocks, rest]) => bytesOf(blocks, rest));
const files = fc
  .array(fc.tuple(content, fc.boolean()), { minLength: 1, maxLength: 4 })
  .map((all) =>
    all.map(([bytes, executable], index): File => ({ path: `f${index}`, executable, bytes })),
  );

type Edit = (file: File) => File[];
const edited = (change: (bytes: Buffer) => Buffer): Edit => {
  return (file) => [{ ...file, bytes: change(file.bytes) }];
};
const edits: fc.Arbitrary<Edit> = fc
  .tuple(fc.nat({ max: 8 }), fc.nat({ max: 14 * unit }), content)
  .map(([kind, where, more]): Edit => {
    const aligned = where - (where % pieceSizeBytes);
    const insertAt = (at: number) =>
      edited((bytes) => Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]));
    const all: Edit[] = [
      (file) => [file],
      (file) => [{ ...file, executable: !file.executable }],
      (file) => [{ ...file, path: `renamed-${file.path}` }],
      (file) => [file, { ...file, path: `again-${file.path}` }],
      () => [],
      insertAt(where),
      insertAt(aligned),
      edited((bytes) => bytes.subarray(0, where)),
      edited((bytes) =>
        Buffer.from(bytes.map((byte, index) => (index === where ? byte ^ 1 : byte))),
      ),
    ];
    return all[kind] ?? edited((bytes) => bytes);
  });

const sketch = (all: readonly File[]): TreeSketch =>
  Object.fromEntries(
    all.map(({ path, executable, bytes }) => [path, executable ? { executable: bytes } : bytes]),
  );

/** The pieces of a tree, as `path index`, by their bytes. */
function* piecesOf(all: readonly File[]) {
  for (const { path, bytes } of all) {
    for (let index = 0; index * pieceSizeBytes < bytes.length; index++) {
      const start = index * pieceSizeBytes;
      const content = bytes.subarray(start, start + pieceSizeBytes).toString('latin1');
      yield { name: `${path} ${index}`, content };
    }
  }
}

test(
  'whatever changed, all that is claimed holds, and all that lies aligned in a store is claimed',
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(files, fc.array(edits, { minLength: 4, maxLength: 4 }), async (v1, how) => {
        const v2 = v1.flatMap((file, index) => how[index]?.(file) ?? [file]);
        await withTemporaryDirectory(async (directory) => {
          const init = { pieceSizeBytes };
          const stored = await bakeSketch(join(directory, '1'), sketch(v1), init);
          const wanted = await bakeSketch(join(directory, '2'), sketch(v2), init);
          // This compares the bytes of what is claimed.
          const { pieces, troubles } = await reuseInto(join(directory, '3'), wanted, [stored]);
          const claimed = new Set(pieces);
          const names = wanted.metainfo.info.files.flatMap(({ path, firstPiece, pieceCount }) =>
            Array.from({ length: pieceCount }, (_, index) => ({
              name: `${path} ${index}`,
              isClaimed: claimed.has(firstPiece + index),
            })),
          );
          const there = new Set([...piecesOf(v1)].map((piece) => piece.content));
          const expected = new Set(
            [...piecesOf(v2)].filter((piece) => there.has(piece.content)).map(({ name }) => name),
          );
          for (const { name, isClaimed } of names) {
            // The manifest is written by bake, and is the same.
            if (!name.startsWith('.starling/')) expect(isClaimed, name).toBe(expected.has(name));
          }
          expect(troubles).toEqual([]);
        });
      }),
      { numRuns: 15 },
    );
  },
);
