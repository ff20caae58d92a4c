import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import * as z from 'zod';
import type { StoredImage } from '../../src/image/index.ts';
import { imageFolder } from './image-files.ts';
import { JsonProcess } from './json-process.ts';

const checkout = join(import.meta.dirname, '..', '..');

/** Starts one of our programs, with `--json`; it ends with the test. */
export function startProgram(program: 'seeder' | 'fetcher', args: readonly string[]): JsonProcess {
  const bin = join(checkout, program, 'bin.js');
  const process_ = new JsonProcess(process.execPath, [bin, ...args, '--json']);
  onTestFinished(() => process_[Symbol.asyncDispose]());
  return process_;
}

const seeding = z.object({ event: z.literal('seeding'), port: z.int().min(1) });

/** Starts `seeder seed` for an image of a store, for ordinary clients; returns when it listens. */
export async function startSeeder(
  image: StoredImage,
  args: readonly string[] = [],
): Promise<{ port: number }> {
  const store = dirname(imageFolder(image));
  const own = ['--store', store, '--host', '127.0.0.1', '--port', '0', '--open'];
  const seeder = startProgram('seeder', ['seed', image.imageId, ...own, ...args]);
  const { port } = await seeder.take(seeding, 'that it seeds');
  return { port };
}

const fetched = z.object({ id: z.string(), tree: z.string() });

/**
 * Runs `fetcher fetch`, which knows nothing of the image but its id, until it has it.
 * @param whom where it finds peers: `--peer` or `--tracker`, and its value
 */
export async function runFetch(
  imageId: string,
  directory: string,
  whom: readonly [option: '--peer' | '--tracker', value: string],
): Promise<z.output<typeof fetched>> {
  const own = ['--dir', directory, '--host', '127.0.0.1', '--port', '0', '--open'];
  const fetcher = startProgram('fetcher', ['fetch', imageId, ...own, ...whom]);
  return await fetcher.take(fetched, 'that it has the image');
}
