import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OutputLog } from '../../../fetcher/output-log.ts';
import { makePlace } from './fixture.ts';

test('output above the limit goes to a second file, and an open writer goes on', async () => {
  const { directory } = await makePlace();
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'output.log');
  const log = new OutputLog({ path, limitBytes: 10 });
  await using writer = await log.open();
  await writer.write('0123456789');
  await log.rotate();
  expect(await readdir(directory)).toEqual(['output.log']);
  await writer.write('abcde');
  await log.rotate();
  // The end is worth the most, so it is what is kept.
  expect(await readFile(`${path}.1`, 'utf8')).toBe('56789abcde');
  expect((await stat(path)).size).toBe(0);
  await writer.write('next');
  expect(await readFile(path, 'utf8')).toBe('next');
  expect((await readdir(directory)).sort()).toEqual(['output.log', 'output.log.1']);
});
