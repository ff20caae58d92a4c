import { execFile } from 'node:child_process';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { writeTree } from '../tools/tree-sketch.ts';
import { temporaryDirectory } from '../tools/with-temporary-directory.ts';
import { checkout, programNames } from './ended-program.ts';

const run = promisify(execFile);

/** Compiles the programs as for the package, and lays them out where they find their libraries. */
async function build(): Promise<string> {
  const directory = await temporaryDirectory();
  const dist = join(directory, 'dist');
  const tsc = join(checkout, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = ['--noEmit', 'false', '--outDir', dist, '--rootDir', checkout, '-p', checkout];
  await run(process.execPath, [tsc, ...args]);
  await symlink(join(checkout, 'node_modules'), join(directory, 'node_modules'));
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  for (const program of programNames) {
    const text = `import { main } from './${program}/main.js';\nawait main(process.argv);\n`;
    await writeFile(join(dist, `${program}.js`), text);
  }
  return dist;
}

test('what is compiled for the package imports nothing that is not compiled, and works', async () => {
  const dist = await build();
  for (const entry of await readdir(dist, { recursive: true })) {
    if (!/^(src|seeder|tracker|fetcher)\/.*\.js$/.test(entry)) continue;
    const text = await readFile(join(dist, entry), 'utf8');
    expect(text, entry).not.toMatch(/(from|import\()\s*['"]\.[^'"]*\.ts['"]/);
  }
  const directory = await temporaryDirectory();
  const program = async (name: string, args: readonly string[]) => {
    const { stdout } = await run(process.execPath, [join(dist, `${name}.js`), ...args, '--json']);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  };
  await writeTree(join(directory, 'tree'), { file: 'x'.repeat(100_000) });
  const store = ['--store', join(directory, 'store')];
  const names = ['--name', 'a', '--version', '1'];
  const baked = await program('seeder', ['bake', join(directory, 'tree'), ...names, ...store]);
  const described = await program('seeder', ['inspect', String(baked.id), ...store]);
  expect(described.id).toBe(baked.id);
  // Data threads are started and ended: nobody is there to ask.
  const nobody = ['--peer', '127.0.0.1:1', '--open', '--threads', '2', '--deadline', '1s'];
  const dir = ['--dir', join(directory, 'host')];
  await expect(
    program('fetcher', ['fetch', String(baked.id), ...nobody, ...dir]),
  ).rejects.toMatchObject({ code: 4 });
});
