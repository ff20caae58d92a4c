import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { v1Segments, type V1File } from '../../../src/image/v1-layout.ts';

/** Files with gaps between them, as the padding files of a hybrid leave them. */
const spaces = fc
  .array(fc.record({ sizeBytes: fc.nat(20), gapBytes: fc.nat(5) }), { maxLength: 12 })
  .map((drafts) => {
    let sizeBytes = 0;
    const files = drafts.map((draft, index): V1File => {
      const file = { path: `${index}`, startBytes: sizeBytes, sizeBytes: draft.sizeBytes };
      sizeBytes += draft.sizeBytes + draft.gapBytes;
      return file;
    });
    return { files, sizeBytes };
  });

/** What lies at every byte of a space: the file and the place in it, or nothing. */
function naive({ files, sizeBytes }: { files: readonly V1File[]; sizeBytes: number }): string[] {
  const bytes = Array.from({ length: sizeBytes }, () => 'zero');
  for (const file of files) {
    for (let at = 0; at < file.sizeBytes; at++) bytes[file.startBytes + at] = `${file.path}:${at}`;
  }
  return bytes;
}

test('the segments of a range are its bytes, one after the other, and none is empty', () => {
  fc.assert(
    fc.property(spaces, fc.nat(), fc.nat(), (space, a, b) => {
      const start = a % (space.sizeBytes + 1);
      const length = b % (space.sizeBytes - start + 1);
      const segments = v1Segments(space, start, length);
      const found = segments.flatMap(({ path, offsetBytes, lengthBytes }) =>
        Array.from({ length: lengthBytes }, (_, at) =>
          path === undefined ? 'zero' : `${path}:${offsetBytes + at}`,
        ),
      );
      expect(segments.every(({ lengthBytes }) => lengthBytes > 0)).toBe(true);
      expect(found).toEqual(naive(space).slice(start, start + length));
    }),
  );
});

test('a range beyond the space is refused', () => {
  const space = { files: [{ path: 'a', startBytes: 0, sizeBytes: 3 }], sizeBytes: 3 };
  expect(() => v1Segments(space, 1, 3)).toThrow(RangeError);
  expect(() => v1Segments(space, -1, 1)).toThrow(RangeError);
});
