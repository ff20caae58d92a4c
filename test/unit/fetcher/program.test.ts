import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram } from '../../../fetcher/program.ts';
import { makePlace, writeTree } from './fixture.ts';

test('a program is looked for in the tree, then in PATH', async () => {
  const { root } = await makePlace();
  const tree = join(root, 'tree');
  const path = `${join(root, 'missing')}::${join(root, 'bin')}`;
  await writeTree(tree, { serve: '', 'bin/serve': '', plain: '' });
  await writeTree(root, { 'bin/tool': '', 'bin/serve': '', 'bin/plain': '', 'bin/data': '' });
  await chmod(join(tree, 'plain'), 0o644);
  await mkdir(join(tree, 'data'));
  const find = (name: string): Promise<string> => findProgram(tree, name, path);

  expect(await find('serve')).toBe(join(tree, 'serve'));
  expect(await find('./serve')).toBe(join(tree, 'serve'));
  expect(await find('bin/serve')).toBe(join(tree, 'bin/serve'));
  expect(await find('/bin/serve')).toBe(join(tree, 'bin/serve'));
  expect(await find('tool')).toBe(join(root, 'bin/tool'));
  // What is in the tree and can't be run is not the program.
  expect(await find('plain')).toBe(join(root, 'bin/plain'));
  expect(await find('data')).toBe(join(root, 'bin/data'));
  expect(await find(join(root, 'bin/tool'))).toBe(join(root, 'bin/tool'));
  for (const name of ['missing', 'bin/tool', '../bin/tool', './plain']) {
    await expect(find(name)).rejects.toMatchObject({ code: 'ACTIVATION_START' });
  }
});
