import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { chmod, link, mkdir, mkdtemp, readFile, rmdir, writeFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BufferPool } from '../../../../src/swarm/data/buffer-pool.ts';
import { PieceSink } from '../../../../src/swarm/data/piece-sink.ts';
import { PieceTask } from '../../../../src/swarm/data/piece-task.ts';
import { seededBytes, seededRandom } from '../../../tools/seeded-random.ts';
import { temporaryDirectory } from '../../../tools/with-temporary-directory.ts';
import { flatImage, type FlatFiles, type FlatImage } from './flat-image.ts';

const kib = 1 << 10;
const pieceSizeBytes = 64 * kib;
const files = {
  large: seededBytes(1, 40 * pieceSizeBytes + 777),
  'd/small': seededBytes(2, 20_000),
};

class Setting {
  readonly image: FlatImage;
  readonly pool = new BufferPool({ limitBytes: 8 << 20 });
  readonly unwritten: { piece: number; code: string | undefined }[] = [];
  readonly written: number[] = [];
  readonly sink: PieceSink;
  #watchers: (() => void)[] = [];

  constructor(tree: string, content: FlatFiles = files) {
    this.image = flatImage({ files: content, pieceSizeBytes, tree });
    this.sink = new PieceSink(
      { pool: this.pool },
      {
        onUnwritten: (_, piece, __, error) => {
          this.unwritten.push({ piece, code: error.code });
          this.#changed();
        },
      },
    );
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** A complete piece, with `data` where that is not what the image has. */
  task(piece: number, data = this.image.contentOf(piece)): PieceTask {
    const task = new PieceTask(
      { layout: this.image.open.layout, pool: this.pool },
      { piece, requestBytes: 16 * kib },
    );
    for (let next = task.nextRequest(); next !== undefined; next = task.nextRequest()) {
      const { beginBytes, lengthBytes } = task.rangeOf(next);
      task.put(next, 0, data.subarray(beginBytes, beginBytes + lengthBytes));
      task.settle(next);
    }
    return task;
  }

  accept(piece: number, data?: Buffer): boolean {
    return this.sink.accept(this.image.open, this.task(piece, data), () => {
      this.written.push(piece);
      this.#changed();
    });
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#watchers = [resolve];
      });
    }
  }

  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.sink.whenIdle(this.image.open, resolve);
    });
  }

  close(): void {
    this.sink.close(this.image.open);
    this.sink.closeAll();
  }
}

async function setting(content?: FlatFiles): Promise<Setting> {
  const tree = await temporaryDirectory();
  await mkdir(join(tree, 'd'));
  return new Setting(tree, content);
}

const openBelow = (folder: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${number}`);
      return target.startsWith(`${folder}/`) ? [target] : [];
    } catch {
      return [];
    }
  });

test('true pieces in any order make the files, and each is told once', async () => {
  const at = await setting();
  const random = seededRandom(5);
  const pieces = Array.from({ length: at.image.layout.pieceCount }, (_, piece) => piece);
  const shuffled = pieces.toSorted(() => random() - 0.5);
  for (const piece of shuffled) expect(at.accept(piece)).toBe(true);
  await at.idle();
  expect(at.written.toSorted((a, b) => a - b)).toEqual(pieces);
  for (const [path, content] of Object.entries(files)) {
    expect((await readFile(join(at.image.open.tree, path))).equals(content)).toBe(true);
  }
  at.close();
  expect(openBelow(at.image.open.tree)).toEqual([]);
});

test('an untrue piece is not written, and no file is made for it', async () => {
  const at = await setting();
  for (const piece of [0, 40, 41]) {
    const data = Buffer.from(at.image.contentOf(piece));
    data[data.length - 1] = (data.at(-1) ?? 0) ^ 1;
    expect(at.accept(piece, data)).toBe(false);
  }
  await at.idle();
  expect(at.written).toEqual([]);
  expect(readdirSync(at.image.open.tree)).toEqual(['d']);
  expect(readdirSync(join(at.image.open.tree, 'd'))).toEqual([]);
  at.close();
});

test('pieces that lie in a row are written together, and told in their order', async () => {
  const at = await setting();
  // While the first is being written the others come.
  for (const piece of [20, 12, 10, 11, 30, 13]) at.accept(piece);
  await at.idle();
  expect(at.written).toEqual([20, 10, 11, 12, 13, 30]);
  at.close();
});

describe('a small file is never written through a hard link', () => {
  test('when what lies there is linked into another image', async () => {
    const at = await setting();
    const other = join(await temporaryDirectory(), 'other');
    await writeFile(other, 'the other image');
    const path = join(at.image.open.tree, 'd/small');
    await link(other, path);
    at.accept(41);
    expect(at.written).toEqual([41]);
    expect(readFileSync(other, 'utf8')).toBe('the other image');
    expect(readFileSync(path).equals(files['d/small'])).toBe(true);
    at.close();
  });

  test('nor when the first try to write it has failed', async () => {
    const at = await setting();
    const other = join(await temporaryDirectory(), 'other');
    await writeFile(other, 'the other image');
    const path = join(at.image.open.tree, 'd/small');
    await mkdir(path);
    at.accept(41);
    expect(at.unwritten).toHaveLength(1);
    await rmdir(path);
    await link(other, path);
    at.sink.retry(at.image.open);
    await at.until(() => at.written.length === 1);
    expect(readFileSync(other).equals(Buffer.from('the other image'))).toBe(true);
    expect(readFileSync(path).equals(files['d/small'])).toBe(true);
    at.close();
  });
});

test('what lies half written of a small file is made whole', async () => {
  const at = await setting();
  const path = join(at.image.open.tree, 'd/small');
  await writeFile(path, Buffer.alloc(100_000, 1));
  await chmod(path, 0o444);
  at.accept(41);
  expect(readFileSync(path).equals(files['d/small'])).toBe(true);
  at.close();
});

test('what can not be written is kept, and written when it is tried again', async () => {
  const at = await setting();
  const pieces = [3, 4, 5, 0, 41];
  const { tree } = at.image.open;
  at.image.open.tree = join(tree, 'missing');
  for (const piece of pieces) expect(at.accept(piece)).toBe(true);
  await at.idle();
  expect(at.written).toEqual([]);
  expect(at.unwritten.map(({ piece }) => piece).toSorted((a, b) => a - b)).toEqual([
    0, 3, 4, 5, 41,
  ]);
  // Nothing has changed: one is tried, and all are kept.
  at.sink.retry(at.image.open);
  await at.until(() => at.unwritten.length > pieces.length);
  await at.idle();
  expect(at.unwritten.slice(pieces.length)).toHaveLength(1);
  await mkdir(join(tree, 'missing/d'), { recursive: true });
  at.sink.retry(at.image.open);
  await at.until(() => at.written.length === pieces.length);
  expect(at.written.toSorted((a, b) => a - b)).toEqual([0, 3, 4, 5, 41]);
  const large = readFileSync(join(tree, 'missing/large'));
  for (const piece of [0, 3, 4, 5]) {
    const start = piece * pieceSizeBytes;
    const data = large.subarray(start, start + pieceSizeBytes);
    expect(data.equals(at.image.contentOf(piece))).toBe(true);
  }
  at.image.open.tree = tree;
  at.close();
  at.sink.closeAll();
  expect(openBelow(tree)).toEqual([]);
});

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && mounts();

/** Whether a file system in memory can be mounted here. */
function mounts(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

/** A file system of 1 MiB, unmounted after the test. */
async function tinyDisk(): Promise<{ path: string; resize(mib: number): void }> {
  const path = await mkdtemp(join(tmpdir(), 'starling-disk-'));
  const mount = (options: string) =>
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'x', path]);
  mount('size=1M');
  onTestFinished(async () => {
    execFileSync('umount', ['--lazy', path]);
    await rmdir(path);
  });
  return { path, resize: (mib) => execFileSync('mount', ['-o', `remount,size=${mib}M`, path]) };
}

test.skipIf(!canMount)(
  'on a full disk nothing is lost, and all is written once there is room',
  async () => {
    const disk = await tinyDisk();
    await mkdir(join(disk.path, 'd'));
    const at = new Setting(disk.path);
    const { pieceCount } = at.image.layout;
    for (let piece = 0; piece < pieceCount; piece++) at.accept(piece);
    await at.idle();
    expect(at.unwritten.length).toBeGreaterThan(0);
    expect(at.unwritten.every(({ code }) => code === 'ENOSPC')).toBe(true);
    expect(at.written.length + at.unwritten.length).toBe(pieceCount);
    at.sink.retry(at.image.open);
    await at.idle();
    expect(at.written.length).toBeLessThan(pieceCount);
    disk.resize(8);
    while (at.written.length < pieceCount) {
      at.sink.retry(at.image.open);
      await at.idle();
    }
    expect(new Set(at.written).size).toBe(pieceCount);
    for (const [path, content] of Object.entries(files)) {
      expect(readFileSync(join(disk.path, path)).equals(content)).toBe(true);
    }
    at.close();
  },
);

test('closing forgets what is kept, and an idle image is told to be at once', async () => {
  const at = await setting();
  const { tree } = at.image.open;
  at.image.open.tree = join(tree, 'missing');
  at.accept(0);
  await at.idle();
  at.sink.close(at.image.open);
  await mkdir(join(tree, 'missing'));
  at.sink.retry(at.image.open);
  let told = 0;
  at.sink.whenIdle(at.image.open, () => (told += 1));
  expect(told).toBe(1);
  expect(existsSync(join(tree, 'missing/large'))).toBe(false);
  expect(statSync(tree).isDirectory()).toBe(true);
});
