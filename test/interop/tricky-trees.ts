import type { TreeSketch } from '../tools/tree-sketch.ts';
import { seededBytes } from '../tools/seeded-random.ts';

const blockBytes = 16_384;

const file = (sizeBytes: number): Buffer => seededBytes(sizeBytes + 1, sizeBytes);

/** Trees whose info dictionaries are easy to get wrong, for pieces of this size. */
export const trickyTrees = (
  pieceSizeBytes: number,
): readonly { readonly name: string; readonly sketch: TreeSketch }[] => [
  { name: 'nothing but the manifest', sketch: {} },
  { name: 'empty files', sketch: { empty: '', 'more/empty': '', 'more/file': 'x', zero: '' } },
  { name: 'files of a byte', sketch: { a: 'a', b: 'b', 'c/same': 'a' } },
  {
    name: 'files of about a block',
    sketch: {
      less: file(blockBytes - 1),
      one: file(blockBytes),
      over: file(blockBytes + 1),
      three: file(3 * blockBytes),
    },
  },
  {
    name: 'files of about a piece',
    sketch: {
      less: file(pieceSizeBytes - 1),
      one: file(pieceSizeBytes),
      over: file(pieceSizeBytes + 1),
    },
  },
  {
    name: 'files of several pieces',
    sketch: {
      'less than three': file(3 * pieceSizeBytes - 1),
      five: file(5 * pieceSizeBytes),
      'four and a block': file(4 * pieceSizeBytes + blockBytes),
    },
  },
  { name: 'files of nothing but zeros', sketch: { a: Buffer.alloc(3 * pieceSizeBytes), b: '\0' } },
  { name: 'names that sort in a special way', sketch: oddOrder },
  { name: 'names beyond ASCII', sketch: beyondAscii },
  { name: 'deep and long names', sketch: deep },
  { name: 'links', sketch: links },
  {
    name: 'executables',
    sketch: { 'bin/run': { executable: '#!/bin/sh\n' }, 'bin/none': { executable: '' }, data: 'd' },
  },
  { name: 'a last file that fills its piece', sketch: { a: 'a', z: file(pieceSizeBytes) } },
  { name: 'a last file that does not', sketch: { a: file(pieceSizeBytes), z: file(100) } },
  { name: 'an empty file at the end', sketch: { a: 'a', z: '' } },
  { name: 'a link at the end', sketch: { a: 'a', z: { link: 'a' } } },
  {
    name: 'two empty files and a link at the end',
    sketch: { a: 'a', x: '', y: '', z: { link: 'a' } },
  },
];

/** `/` sorts after `-` and `.`, and before `0`; a tree of dictionaries does not see it. */
const oddOrder: TreeSketch = {
  'a/b': '1',
  'a/a/a': '2',
  'a-b': '3',
  'a.txt': '4',
  a0: '5',
  'a b': '6',
  A: '7',
  Z: '8',
  'b/a': '9',
  'b/a.txt': '10',
  'b/a-': '11',
  '-': '12',
  '~': '13',
  '.hidden': '14',
  '10': '15',
  '9': '16',
  length: '17',
  attr: '18',
  'pieces root': '19',
};

/** UTF-16 sorts the emoji before U+FFxx and U+E000, UTF-8 after them. */
const beyondAscii: TreeSketch = {
  'caf\u00e9': 'composed',
  'cafe\u0301': 'decomposed',
  '\u{1f680}': 'rocket',
  '\u{1f469}\u200d\u{1f680}/\u{1f680}.txt': 'joined',
  '\uff21': 'full width',
  '\ue000': 'private use',
  '\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb': 'Japanese',
  '\u0444\u0430\u0439\u043b': 'Cyrillic',
  '\u00df': 'sharp s',
  ss: 'two of them',
};

const deep: TreeSketch = {
  [`${'d/'.repeat(60)}file`]: 'deep',
  [`${'d/'.repeat(30)}file`]: 'half as deep',
  ['n'.repeat(255)]: 'long',
  [`${'x'.repeat(200)}/${'y'.repeat(200)}/${'z'.repeat(200)}`]: 'long all the way',
};

const links: TreeSketch = {
  file: 'content',
  beside: { link: 'file' },
  'd/up': { link: '../file' },
  'd/e/over': { link: '../../f/g' },
  'd/e/beside': { link: 'there' },
  'd/e/there': 'there',
  'f/g': 'g',
  directory: { link: 'd/e' },
  dangling: { link: 'nowhere' },
  'd/dangling': { link: '../no/where' },
  here: { link: '.' },
  'd/parent': { link: '..' },
  'f/itself': { link: 'itself' },
  'f/of a link': { link: '../beside' },
  'f/roundabout': { link: './../d//e/there' },
};
