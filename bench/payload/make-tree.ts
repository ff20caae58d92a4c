import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RandomStream } from './random-stream.ts';

export interface MakeOptions {
  readonly signal: AbortSignal;
}

const chunkBytes = 4 << 20;

/** Writes a folder with one file of random bytes. */
export async function makeFile(
  directory: string,
  init: { sizeBytes: number; seed: string },
  { signal }: MakeOptions,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const random = new RandomStream(init.seed);
  await using file = await open(join(directory, 'payload.bin'), 'w');
  for (let left = init.sizeBytes; left > 0; left -= chunkBytes) {
    signal.throwIfAborted();
    await file.write(random.bytes(Math.min(chunkBytes, left)));
  }
}

/** A file of a small-files tree. */
export interface SketchedFile {
  readonly path: string;
  readonly sizeBytes: number;
}

const smallest = 200;
const usual = 8 << 10;
const largest = 200 << 10;
/** How many files are larger than usual. With so many the mean is about 9 KiB. */
const largerShare = 0.12;
const filesPerPackage = 25;
const folders = ['', 'lib', 'lib/internal', 'dist', 'dist/esm/parts', 'test'];

/** Paths and sizes as of a node_modules: packages of some folders, and many more small files than large. */
export function sketchSmallFiles(count: number, random: RandomStream): SketchedFile[] {
  return Array.from({ length: count }, (_, index) => {
    const owner = `package-${String(Math.floor(index / filesPerPackage)).padStart(4, '0')}`;
    const folder = folders[random.below(folders.length)] ?? '';
    const [from, to] = random.number() < largerShare ? [usual, largest] : [smallest, usual];
    const sizeBytes = Math.round(from * (to / from) ** random.number());
    return { path: join('node_modules', owner, folder, `file-${index}.js`), sizeBytes };
  });
}

/** Writes a folder with a tree of small files. */
export async function makeSmallFiles(
  directory: string,
  init: { count: number; seed: string },
  { signal }: MakeOptions,
): Promise<void> {
  const random = new RandomStream(init.seed);
  const made = new Set<string>();
  for (const { path, sizeBytes } of sketchSmallFiles(init.count, random)) {
    signal.throwIfAborted();
    const place = join(directory, path);
    if (!made.has(dirname(place))) await mkdir(dirname(place), { recursive: true });
    made.add(dirname(place));
    await writeFile(place, random.bytes(sizeBytes));
  }
}
