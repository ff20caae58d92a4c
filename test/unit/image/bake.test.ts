import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { ConfigError, ImageError } from '../../../src/errors.ts';
import { bake } from '../../../src/image/bake.ts';
import { durable } from '../../../src/image/durability.ts';
import { readManifest } from '../../../src/image/image-store.ts';
import { inspect } from '../../../src/image/inspect.ts';
import { bakeSketch, storeIn } from '../../tools/baked-image.ts';
import { seededBytes, seededRandom } from '../../tools/seeded-random.ts';
import { describeTree, writeTree, type TreeSketch } from '../../tools/tree-sketch.ts';
import { temporaryDirectory } from '../../tools/with-temporary-directory.ts';

const run = promisify(execFile);

const sketch: TreeSketch = {
  'bin/app': { executable: '#!/bin/sh\nexit 0\n' },
  'bin/latest': { link: 'app' },
  'data/large': seededBytes(1, 700_000),
  'data/same': seededBytes(1, 700_000),
  'data/empty': '',
  'data/one byte': 'x',
  'data/block': seededBytes(2, 16_384),
  'data/piece': seededBytes(3, 262_144),
  'имя/名前/é': 'not ASCII',
  'links/up': { link: '../data' },
  'links/here': { link: '.' },
  'cache/empty/deep': { directory: true },
  logs: { directory: true },
};

/** What bake says of a tree that it refuses. The store must stay empty. */
async function refusal(directory: string, more: TreeSketch = {}): Promise<Error> {
  const error = await bakeSketch(directory, more).then(
    () => new Error('it was baked'),
    (reason: unknown) => reason as Error,
  );
  expect(await readdir(join(directory, 'store')).catch(() => [])).toEqual([]);
  return error;
}

test('a baked image has the files, modes, links and empty directories of its tree', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const without = (lines: string[]) =>
    lines.map((line) => line.replace(/(file|directory) \d+/, ''));
  const manifestLines = (line: string) => !line.startsWith('.starling');
  const baked = (await describeTree(image.tree)).filter(manifestLines);
  expect(without(baked)).toEqual(without(await describeTree(join(directory, 'tree'))));
  expect(baked).toContainEqual(expect.stringMatching(/^bin\/app file 555 /));
  expect(baked).toContainEqual(expect.stringMatching(/^data\/block file 444 /));
  expect(await readManifest(image.tree)).toMatchObject({
    name: 'app',
    emptyDirectories: ['cache/empty/deep', 'logs'],
  });
});

test('nothing in a baked image is writable', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, sketch);
  const { stdout } = await run('find', [
    image.tree,
    join(image.tree, '..', `${image.imageId}.torrent`),
    ...['-perm', '/222', '!', '-type', 'l'],
  ]);
  expect(stdout).toBe('');
});

test('the same tree gives the same image, in whatever order it was made', async () => {
  const random = seededRandom(7);
  const ids = new Set<string>();
  for (let round = 0; round < 4; round++) {
    const shuffled = Object.entries(sketch)
      .map((entry) => ({ entry, at: round === 0 ? 0 : random() }))
      .sort((a, b) => a.at - b.at);
    const directory = await temporaryDirectory();
    const entries = Object.fromEntries(shuffled.map(({ entry }) => entry));
    ids.add((await bakeSketch(directory, entries, { threads: round + 1 })).imageId);
  }
  expect(ids.size).toBe(1);
});

test('baking the same tree again into the same store changes nothing', async () => {
  const directory = await temporaryDirectory();
  const first = await bakeSketch(directory, { file: 'content' });
  const again = await bakeSketch(directory, {});
  expect(again.imageId).toBe(first.imageId);
  expect(await readdir(join(directory, 'store'))).toEqual([first.imageId]);
});

test('two bakes of the same tree at the same time are both done', async () => {
  const directory = await temporaryDirectory();
  await writeTree(join(directory, 'tree'), { file: 'content' });
  const images = await Promise.all([1, 2, 3].map(() => bakeSketch(directory, {})));
  expect(new Set(images.map(({ imageId }) => imageId)).size).toBe(1);
  expect(await readdir(join(directory, 'store'))).toEqual([images[0]?.imageId]);
});

test('an image whose metainfo was lost is baked anew in its place', async () => {
  const directory = await temporaryDirectory();
  const { imageId } = await bakeSketch(directory, { file: 'content' });
  await rm(join(directory, 'store', imageId, `${imageId}.torrent`));
  await bakeSketch(directory, {});
  expect(await storeIn(join(directory, 'store')).has(imageId)).toBe(true);
});

test('content, mode, name, version and empty directories each change the image id', async () => {
  const trees: TreeSketch[] = [
    { file: 'a' },
    { file: 'b' },
    { other: 'a' },
    { file: { executable: 'a' } },
    { file: 'a', empty: { directory: true } },
    { file: 'a', link: { link: 'file' } },
  ];
  const ids = await Promise.all(
    trees.map(async (tree) => (await bakeSketch(await temporaryDirectory(), tree)).imageId),
  );
  const renamed = await bakeSketch(await temporaryDirectory(), { file: 'a' }, { name: 'other' });
  const newer = await bakeSketch(await temporaryDirectory(), { file: 'a' }, { version: '2' });
  expect(new Set([...ids, renamed.imageId, newer.imageId]).size).toBe(8);
});

test('a manifest that says all is kept byte for byte', async () => {
  const directory = await temporaryDirectory();
  const own = '{ "version": "1.0.0",\n   "kind": "tree",  "name": "app" }';
  const image = await bakeSketch(directory, { '.starling/image.json': own, file: 'x' });
  expect(await readFile(join(image.tree, '.starling/image.json'), 'utf8')).toBe(own);
});

test('what is given to bake replaces what the manifest says, and the rest of it stays', async () => {
  const directory = await temporaryDirectory();
  const own = JSON.stringify({ name: 'old', version: '0', start: ['run'], labels: { a: 'b' } });
  const image = await bakeSketch(directory, { '.starling/image.json': own, run: 'x' });
  expect(await readManifest(image.tree)).toMatchObject({
    ...{ name: 'app', version: '1.0.0', start: ['run'], labels: { a: 'b' } },
  });
  expect(await inspect(image)).toMatchObject({ id: image.imageId, name: 'app', files: 2 });
});

describe('what an image can not carry is refused by its path:', () => {
  test('a pipe', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'tree/a'), { recursive: true });
    await run('mkfifo', [join(directory, 'tree/a/pipe')]);
    const error = await refusal(directory);
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain('"a/pipe" can\'t be baked: it is a pipe');
  });

  test('a socket', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'tree'));
    const server = createServer().listen(join(directory, 'tree/socket'));
    await once(server, 'listening');
    const error = await refusal(directory);
    server.close();
    expect(error.message).toContain('"socket" can\'t be baked: it is a socket');
  });

  test('a device', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root may make a device');
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'tree'));
    const made = await run('mknod', [join(directory, 'tree/null'), 'c', '1', '3']).then(
      () => true,
      () => false,
    );
    context.skip(!made, 'this machine does not let root make a device');
    expect((await refusal(directory)).message).toContain('"null" can\'t be baked: it is a device');
  });

  test('a name that is not UTF-8', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'tree'));
    const path = Buffer.concat([Buffer.from(join(directory, 'tree/')), Buffer.from([0x61, 0xff])]);
    await writeFile(path, 'x');
    expect((await refusal(directory)).message).toContain('is not UTF-8');
  });

  test('a link whose target is not UTF-8', async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, 'tree'));
    await symlink(Buffer.from([0x61, 0xff]), join(directory, 'tree/link'));
    expect((await refusal(directory)).message).toMatch(/"link" .* not UTF-8/);
  });

  test.each<[string, TreeSketch, string]>([
    ['an absolute link', { 'a/link': { link: '/etc/passwd' } }, 'absolute path'],
    ['a link out of the tree', { 'a/link': { link: '../../x' } }, 'leaves the tree'],
    ['a link to above the tree', { link: { link: '..' } }, 'leaves the tree'],
    [
      'a link that goes up through another link',
      { 'a/b/c': 'x', door: { link: 'a/b' }, link: { link: 'door/../../../x' } },
      'goes back up',
    ],
    ['a link that goes up through nothing', { link: { link: 'no/../x' } }, 'goes back up'],
    ['a file in the place of .starling', { '.starling': 'x' }, '".starling" can\'t be baked'],
    ['a link in the place of .starling', { '.starling': { link: 'a' } }, '".starling" can\'t be'],
    ['a link in the place of the manifest', { '.starling/image.json': { link: 'x' } }, 'regular'],
    ['a directory in the place of the manifest', { '.starling/image.json/x': 'x' }, 'regular'],
    [
      'an empty directory in the place of the manifest',
      { '.starling/image.json': { directory: true } },
      'regular',
    ],
    ['a manifest that is wrong', { '.starling/image.json': '{"start":1}' }, 'start: '],
    ['a manifest too large', { '.starling/image.json': ' '.repeat(2 << 20) }, 'are allowed'],
  ])('%s', async (_, tree, message) => {
    const error = await refusal(await temporaryDirectory(), tree);
    expect(error).toBeInstanceOf(ImageError);
    expect(error.message).toContain(message);
  });

  test('so many empty directories that no fetcher would read the manifest', async () => {
    const names = Array.from({ length: 4_500 }, (_, index) => `${index}`.padEnd(250, 'x'));
    const tree = Object.fromEntries(names.map((name) => [name, { directory: true as const }]));
    const error = await refusal(await temporaryDirectory(), tree);
    expect(error).toMatchObject({ code: 'IMAGE_MANIFEST' });
  });
});

test('a link that goes back up through a real directory is baked in its shortest form', async () => {
  const directory = await temporaryDirectory();
  const image = await bakeSketch(directory, {
    'a/b/file': 'x',
    'a/link': { link: './b//../b/./file' },
  });
  expect(image.metainfo.info.links).toEqual([{ path: 'a/link', target: 'b/file' }]);
});

test('a file that grows while it is baked fails the bake, and nothing is left', async () => {
  const directory = await temporaryDirectory();
  const growing = join(directory, 'tree/growing');
  const options = {
    onProgress: () => {
      appendFileSync(growing, 'more');
    },
  };
  const baking = bakeSketch(directory, { growing: seededBytes(1, 40 << 20) }, {}, options);
  await expect(baking).rejects.toMatchObject({
    code: 'IMAGE_CHANGED',
    evidence: { path: 'growing' },
  });
  expect(await readdir(join(directory, 'store'))).toEqual([]);
});

test('a bake that is aborted leaves nothing, whenever that is', async () => {
  const directory = await temporaryDirectory();
  await writeTree(join(directory, 'tree'), { large: seededBytes(1, 40 << 20) });
  const reason = new Error('enough');
  await expect(bakeSketch(directory, {}, {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
  const controller = new AbortController();
  const onProgress = () => {
    controller.abort(reason);
  };
  const { signal } = controller;
  await expect(bakeSketch(directory, {}, {}, { signal, onProgress })).rejects.toBe(reason);
  expect(await readdir(join(directory, 'store'))).toEqual([]);
});

test('what a killed bake left is swept by the next, and what a living one makes is not', async () => {
  const directory = await temporaryDirectory();
  const child = spawn('true');
  await once(child, 'exit');
  const dead = `.baking-${child.pid}-x`;
  const living = `.baking-${process.pid}-x`;
  await writeTree(join(directory, 'store'), { [`${dead}/app/a`]: 'x', [`${living}/app/a`]: 'x' });
  const { imageId } = await bakeSketch(directory, { file: 'x' });
  expect(await readdir(join(directory, 'store'))).toEqual([living, imageId]);
});

test('a store inside the tree is refused, also through a link', async () => {
  const directory = await temporaryDirectory();
  await writeTree(join(directory, 'tree'), { file: 'x', 'store/x': 'x' });
  await symlink(join(directory, 'tree'), join(directory, 'alias'));
  const init = { path: join(directory, 'tree'), name: 'app', version: '1' };
  for (const store of [join(directory, 'tree/store'), join(directory, 'alias/store')]) {
    const baking = bake({ store: storeIn(store), durability: durable }, init);
    await expect(baking).rejects.toThrow('the store');
    await expect(baking).rejects.toBeInstanceOf(ConfigError);
  }
});

test('only a directory can be baked', async () => {
  const directory = await temporaryDirectory();
  await writeTree(directory, { file: 'x' });
  for (const path of [join(directory, 'file'), join(directory, 'nothing')]) {
    await expect(bakeSketch(directory, {}, { path })).rejects.toBeInstanceOf(ConfigError);
  }
});

test('a tree without a name or version for it is refused', async () => {
  const directory = await temporaryDirectory();
  const baking = bakeSketch(directory, { file: 'x' }, { name: undefined, version: undefined });
  await expect(baking).rejects.toMatchObject({ code: 'IMAGE_MANIFEST' });
});

test('an image is hybrid where padding is cheap, and as told', async () => {
  const small = { a: 'x', b: 'y' };
  const large = { a: seededBytes(1, 2 << 20) };
  const isHybrid = async (tree: TreeSketch, hybrid: boolean | undefined) =>
    (await inspect(await bakeSketch(await temporaryDirectory(), tree, { hybrid }))).hybrid;
  expect(await isHybrid(small, undefined)).toBe(false);
  expect(await isHybrid(small, true)).toBe(true);
  expect(await isHybrid({ '.starling/x': 'x', ...large }, undefined)).toBe(false);
  expect(await isHybrid(large, false)).toBe(false);
});
