import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Generations } from '../../../fetcher/generations.ts';
import type { Durability } from '../../../src/image/index.ts';
import { durable } from '../../../src/image/index.ts';
import type { Place } from './fixture.ts';
import { makeImage, makePlace } from './fixture.ts';

async function makeGenerations(
  place: Place,
  durability: Durability = durable,
): Promise<{ generations: Generations; removed: string[] }> {
  const generations = new Generations(
    { durability },
    { directory: place.directory, app: 'web', channel: 'stable' },
  );
  return { generations, removed: await generations.open() };
}

async function create(generations: Generations, place: Place): Promise<number> {
  const image = await makeImage(place, '1', {});
  const createdAt = new Date(0);
  return (await generations.create({ ...image, createdAt, before: undefined })).number;
}

test('what was left half made is removed, and its number stays used', async () => {
  const place = await makePlace();
  const { generations } = await makeGenerations(place);
  await create(generations, place);
  const inside = (name: string): string => join(place.directory, 'generations', name);
  await mkdir(inside('.2.partial'));
  await mkdir(inside('1.old'));
  await mkdir(inside('4'));
  await mkdir(inside('5'));
  await writeFile(join(inside('5'), 'generation.json'), '{"number":5,');
  await mkdir(inside('6'));
  await writeFile(join(inside('6'), 'generation.json'), '{"number":7}');
  await symlink('generations/5', join(place.directory, '.current.tmp'));
  const { generations: next, removed } = await makeGenerations(place);
  expect(removed.sort()).toEqual([
    '.current.tmp',
    'generations/.2.partial',
    'generations/4',
    'generations/5',
    'generations/6',
  ]);
  expect((await readdir(join(place.directory, 'generations'))).sort()).toEqual(['1', '1.old']);
  expect(await create(next, place)).toBe(7);
});

test('a record with an unknown key or for another number is no generation', async () => {
  const place = await makePlace();
  const { generations } = await makeGenerations(place);
  await create(generations, place);
  const [good] = await generations.list();
  const records = {
    2: { ...good, number: 2, extra: 1 },
    3: { ...good },
    4: { ...good, number: 4 },
  };
  for (const [name, record] of Object.entries(records)) {
    await mkdir(join(place.directory, 'generations', name));
    const path = join(place.directory, 'generations', name, 'generation.json');
    await writeFile(path, JSON.stringify(record));
  }
  expect((await generations.list()).map(({ number }) => number)).toEqual([1, 4]);
});

test('a directory of another app or channel is refused', async () => {
  const place = await makePlace();
  const { generations } = await makeGenerations(place);
  await create(generations, place);
  const other = new Generations(
    { durability: durable },
    { directory: place.directory, app: 'web', channel: 'beta' },
  );
  await expect(other.open()).rejects.toMatchObject({ code: 'STORAGE_CORRUPT' });
});

test('all of a generation is synced before the switch, files before directories', async () => {
  const place = await makePlace();
  const synced: string[] = [];
  const note = (path: string): Promise<void> => {
    synced.push(path.slice(place.root.length + 1).replace(/^apps\/web\/stable\/?/, 'A/'));
    return Promise.resolve();
  };
  const { generations } = await makeGenerations(place, { syncFile: note, syncDirectory: note });
  expect(synced).toEqual(['A/', 'apps/web', 'apps', '']);
  synced.length = 0;
  await create(generations, place);
  await generations.switchTo(1);
  expect(synced).toEqual([
    'A/last-number.tmp',
    'A/',
    'A/generations',
    'A/generations/.1.partial/generation.json',
    'A/generations/.1.partial',
    'A/generations',
    'A/',
  ]);
});

test('a current link that leads nowhere whole names no generation', async () => {
  const place = await makePlace();
  const { generations } = await makeGenerations(place);
  expect(await generations.hasCurrent()).toBe(false);
  for (const target of ['generations/9', '../../../etc', 'generations/1/../1']) {
    await generations.switchTo(undefined);
    await symlink(target, join(place.directory, 'current'));
    expect(await generations.hasCurrent()).toBe(true);
    expect(await generations.current()).toBeUndefined();
  }
});
