import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitfield } from '../../../src/policy/index.ts';
import { makeImageLayout } from '../../../src/swarm/data/image-layout.ts';
import { V1Row } from '../../../src/swarm/data/v1-row.ts';
import { V1Pieces } from '../../../src/swarm/v1-pieces.ts';

const pieceSizeBytes = 8;

/** An image of files of these sizes, and where each of its bytes lies in a v1-only torrent of it. */
function imageOf(sizes: readonly number[], v1PieceSizeBytes: number) {
  let pieceCount = 0;
  let at = 0;
  /** For each of our pieces, the places of its bytes. */
  const places: number[][] = [];
  const files = sizes.map((sizeBytes, index) => {
    const startBytes = pieceCount * pieceSizeBytes;
    const count = Math.ceil(sizeBytes / pieceSizeBytes);
    for (let done = 0; done < sizeBytes; done++, at++) {
      (places[pieceCount + Math.floor(done / pieceSizeBytes)] ??= []).push(at);
    }
    pieceCount += count;
    return { path: `${index}`, startBytes, sizeBytes };
  });
  const row = new V1Row(makeImageLayout({ pieceSizeBytes, pieceCount, files }), v1PieceSizeBytes);
  const v1Of = (place: number) => Math.floor(place / v1PieceSizeBytes);
  return { row, places, v1Of, map: new V1Pieces(row, pieceCount) };
}

const images = fc
  .tuple(
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 }),
    fc.integer({ min: 3, max: 24 }),
  )
  .map(([sizes, v1PieceSizeBytes]) => imageOf(sizes, v1PieceSizeBytes));

test('a peer has those pieces of ours of which it has every byte', () => {
  fc.assert(
    fc.property(images, fc.infiniteStream(fc.boolean()), ({ row, places, v1Of, map }, coins) => {
      const theirs = new Bitfield(row.pieceCount);
      for (let piece = 0; piece < theirs.length; piece++) {
        if (coins.next().value === true) theirs.add(piece);
      }
      const expected = places.flatMap((bytes, piece) =>
        bytes.every((place) => theirs.has(v1Of(place))) ? [piece] : [],
      );
      expect([...map.coveredBy(theirs)]).toEqual(expected);
    }),
  );
});

test('told one by one, in any order, it comes to the same, and no piece is told twice', () => {
  fc.assert(
    fc.property(images, fc.infiniteStream(fc.nat()), ({ row, map }, numbers) => {
      const left = Array.from({ length: row.pieceCount }, (_, piece) => piece);
      const theirs = new Bitfield(row.pieceCount);
      const told: number[] = [];
      while (left.length > 0) {
        const [next = 0] = left.splice((numbers.next().value as number) % left.length, 1);
        theirs.add(next);
        told.push(...map.completedBy(next, theirs));
        expect([...told].sort((a, b) => a - b)).toEqual([...map.coveredBy(theirs)]);
      }
    }),
  );
});

test('a range of a piece is asked for at the places of its bytes, and what comes is taken back', () => {
  fc.assert(
    fc.property(images, fc.nat(), fc.nat(), fc.nat(), ({ row, places }, a, b, c) => {
      const piece = a % places.length;
      const bytes = places[piece] ?? [];
      const beginBytes = b % bytes.length;
      const lengthBytes = 1 + (c % (bytes.length - beginBytes));
      const wire = row.toWire({ piece, beginBytes, lengthBytes });
      const asked = wire.flatMap((range) =>
        Array.from(
          { length: range.lengthBytes },
          (_, index) => range.piece * row.pieceSizeBytes + range.beginBytes + index,
        ),
      );
      expect(asked).toEqual(bytes.slice(beginBytes, beginBytes + lengthBytes));
      for (const range of wire) {
        expect(range.beginBytes + range.lengthBytes).toBeLessThanOrEqual(row.pieceSizeBytes);
      }
      let at = beginBytes;
      for (const range of wire) {
        expect(row.toOurs(range)).toEqual({
          piece,
          beginBytes: at,
          lengthBytes: range.lengthBytes,
        });
        at += range.lengthBytes;
      }
    }),
  );
});
