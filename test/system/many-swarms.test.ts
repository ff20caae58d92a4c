import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { bakeSketch } from '../tools/baked-image.ts';
import { writeMembers } from '../tools/members.ts';
import { seededBytes } from '../tools/seeded-random.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { RunningProgram } from './running-program.ts';

const images = 50;
const seeders = 4;
const imageBytes = 6 << 20;
/** What issue and docs promise for a fetcher with so many swarms and connections. */
const limitMib = 300;

const said = z.object({ images: z.number(), connections: z.number(), peakMib: z.number() });

test('fifty images from two hundred sealed connections are fetched within 300 MB', async () => {
  const directory = await temporaryDirectory();
  const ids: string[] = [];
  for (let index = 0; index < images; index++) {
    const files = { large: seededBytes(index, imageBytes), [`small/${index}`]: `${index}` };
    const place = join(directory, 'baked');
    await mkdir(place, { recursive: true });
    ids.push((await bakeSketch(place, files, { name: `app${index}` })).imageId);
  }
  const identities = Array.from({ length: seeders + 1 }, (_, index) =>
    join(directory, `identity-${index}`),
  );
  const members = join(directory, 'members');
  await writeMembers(members, identities);
  const [own = '', ...theirs] = identities;
  const ports: number[] = [];
  for (const identity of theirs) {
    const store = join(directory, 'baked', 'store');
    const args = ['--store', store, '--members', members, '--identity', identity];
    const seeder = new RunningProgram('seeder', ['seed', ...args, '--host', '127.0.0.1']);
    onTestFinished(() => seeder[Symbol.asyncDispose]());
    ports.push(Number((await seeder.untilEvent('seeding')).port));
  }
  const child = join(import.meta.dirname, 'many-swarms-child.ts');
  const args = [child, join(directory, 'store'), own, members, ports.join(','), ...ids];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 100_000 });
  const result = said.parse(JSON.parse(stdout));
  expect(result.images).toBe(images);
  // Those that are done early have gone when the last have come.
  expect(result.connections).toBeGreaterThan(images);
  expect(result.peakMib).toBeLessThan(limitMib);
});
