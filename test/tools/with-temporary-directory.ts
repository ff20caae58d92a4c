import { mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { removeTree } from '../../src/image/index.ts';

const make = async (): Promise<string> =>
  await realpath(await mkdtemp(join(tmpdir(), 'starling-test-')));

/** Runs `work` with a folder that is gone afterwards, also where its content is read-only. */
export async function withTemporaryDirectory<T>(
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await make();
  try {
    return await work(directory);
  } finally {
    await removeTree(directory);
  }
}

/** A folder that is gone when the test that asked for it is over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await make();
  onTestFinished(() => removeTree(directory));
  return directory;
}
