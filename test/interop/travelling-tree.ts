import { seededBytes } from '../tools/seeded-random.ts';
import type { TreeSketch } from '../tools/tree-sketch.ts';

/** The smallest pieces there are, so that a small image has many of them. */
export const smallPieceBytes = 16_384;

/**
 * A tree that has some of everything that travels. The large file has 641 pieces: the hashes of a
 * piece layer are asked for 512 at a time, so its layer takes two requests and their proofs.
 */
export const travellingTree = (pieceSizeBytes: number): TreeSketch => ({
  'large.bin': seededBytes(1, 640 * pieceSizeBytes + 1_234),
  'lib/some pieces': seededBytes(2, 5 * pieceSizeBytes),
  'lib/a piece': seededBytes(3, pieceSizeBytes),
  'lib/half a piece': seededBytes(4, pieceSizeBytes / 2),
  'lib/one byte': '1',
  'lib/empty': '',
  'lib/caf\u00e9/\u{1f680}': 'beyond ASCII',
  'lib/the same': seededBytes(2, 5 * pieceSizeBytes),
  'bin/run': { executable: '#!/bin/sh\nexit 0\n' },
  'bin/also': { link: 'run' },
  'bin/over': { link: '../lib/one byte' },
  library: { link: 'lib' },
});
