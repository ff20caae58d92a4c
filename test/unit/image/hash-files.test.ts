import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HashPool } from '../../../src/image/hash-pool.ts';
import { hashFiles, type FileToHash } from '../../../src/image/hash-files.ts';
import { blockBytes, fileRoot, hashBlocks, pieceRoot } from '../../../src/image/merkle.ts';
import { seededBytes } from '../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const pieceSizeBytes = 65_536;
const sizes = [0, 1, 2, 3, 4, 5, 8, 9, 260, 520].flatMap((blocks) =>
  [-1, 0, 1].map((off) => blocks * blockBytes + off).filter((size) => size >= 0),
);

async function writeFiles(directory: string): Promise<FileToHash[]> {
  const data = seededBytes(5, Math.max(...sizes));
  return await Promise.all(
    sizes.map(async (sizeBytes) => {
      const source = join(directory, `${sizeBytes}`);
      await writeFile(source, data.subarray(0, sizeBytes));
      const destination = join(directory, `${sizeBytes}.copy`);
      return { path: `${sizeBytes}`, sizeBytes, source, destination, padded: sizeBytes % 2 === 0 };
    }),
  );
}

function naive(data: Buffer, padded: boolean) {
  const layer: Buffer[] = [];
  const v1: Buffer[] = [];
  for (let start = 0; start < data.length; start += pieceSizeBytes) {
    const piece = data.subarray(start, start + pieceSizeBytes);
    const only = data.length <= pieceSizeBytes;
    layer.push(pieceRoot(hashBlocks(piece), pieceSizeBytes / blockBytes, only));
    const zeros = Buffer.alloc(padded ? pieceSizeBytes - piece.length : 0);
    v1.push(createHash('sha1').update(piece).update(zeros).digest());
  }
  const root = data.length === 0 ? undefined : fileRoot(hashBlocks(data));
  return { root, layer: Buffer.concat(layer), v1: Buffer.concat(v1) };
}

test.each([1, 3])(
  '%i threads give the hashes of a naive loop, and true copies',
  async (threads) => {
    const files = await writeFiles(await temporaryDirectory());
    const hashed = await hashFiles(files, { pieceSizeBytes, v1: true, threads });
    for (const { path, source, destination, padded } of files) {
      const data = await readFile(source);
      expect(hashed.get(path), path).toEqual(naive(data, padded));
      expect((await readFile(destination ?? '')).equals(data), path).toBe(true);
    }
  },
);

test('a file of several requests is put together in order', async () => {
  const directory = await temporaryDirectory();
  const data = seededBytes(6, 35_000_000);
  const source = join(directory, 'large');
  await writeFile(source, data);
  const file = { path: 'large', sizeBytes: data.length, source, destination: undefined };
  const seen: number[] = [];
  const hashed = await hashFiles(
    [{ ...file, padded: false }],
    { pieceSizeBytes, v1: false, threads: 2 },
    { onBytes: (bytes) => seen.push(bytes) },
  );
  expect(hashed.get('large')?.root).toEqual(fileRoot(hashBlocks(data)));
  expect(seen.at(-1)).toBe(data.length);
});

test('a file that is shorter than it was said to be has changed', async () => {
  const [file] = await writeFiles(await temporaryDirectory());
  const longer = { ...file, sizeBytes: 100_000, source: file?.source ?? '' } as FileToHash;
  await expect(
    hashFiles([longer], { pieceSizeBytes, v1: false, threads: 1 }),
  ).rejects.toMatchObject({ code: 'IMAGE_CHANGED' });
});

test('a file that is gone has changed, and a copy that can not be made is the disk', async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'here'), 'x');
  const file = { path: 'a', sizeBytes: 1, padded: false };
  const init = { pieceSizeBytes, v1: false, threads: 1 };
  const gone = { ...file, source: join(directory, 'gone'), destination: undefined };
  await expect(hashFiles([gone], init)).rejects.toMatchObject({ code: 'IMAGE_CHANGED' });
  const nowhere = { ...file, source: join(directory, 'here'), destination: directory };
  await expect(hashFiles([nowhere], init)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});

test('hashing that is aborted ends at once', async () => {
  const files = await writeFiles(await temporaryDirectory());
  const reason = new Error('enough');
  const signal = AbortSignal.abort(reason);
  await expect(
    hashFiles(files, { pieceSizeBytes, v1: false, threads: 1 }, { signal }),
  ).rejects.toBe(reason);
});

test('a part goes where it is said to go, and what is there elsewhere stays', async () => {
  const directory = await temporaryDirectory();
  const data = seededBytes(7, 4 * blockBytes);
  const [source, destination] = [join(directory, 'source'), join(directory, 'destination')];
  await writeFile(source, data);
  await writeFile(destination, Buffer.alloc(4 * blockBytes, 'x'));
  await using pool = new HashPool(1);
  const [result] = await pool.run([
    {
      source,
      destination,
      startBytes: blockBytes,
      destinationStartBytes: 2 * blockBytes,
      lengthBytes: blockBytes,
      pieceSizeBytes: 2 * blockBytes,
      onlyPiece: false,
      v1: 'none',
    },
  ]);
  const part = data.subarray(blockBytes, 2 * blockBytes);
  const x = (blocks: number) => Buffer.alloc(blocks * blockBytes, 'x');
  expect((await readFile(destination)).equals(Buffer.concat([x(2), part, x(1)]))).toBe(true);
  expect(Buffer.from(result?.layer ?? []).equals(pieceRoot(hashBlocks(part), 2, false))).toBe(true);
});

test('a request to threads that have ended fails at once', async () => {
  const pool = new HashPool(1);
  await pool[Symbol.asyncDispose]();
  await expect(pool.run([])).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});
