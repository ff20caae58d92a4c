import { watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monotonicMs, type MeasuredProcess } from './measured-process.ts';

const mark = 'done';

/**
 * A script in `directory` for a program that runs one when it is done; the script leaves a mark.
 * @returns its path
 */
export async function writeDoneScript(directory: string): Promise<string> {
  const path = join(directory, 'done.sh');
  await writeFile(path, `#!/bin/sh\n: > '${join(directory, mark)}'\n`, { mode: 0o755 });
  return path;
}

/**
 * Waits until the script of `directory` was run.
 * @returns when, on the monotonic clock
 * @throws when the process ends before
 */
export async function untilDone(
  directory: string,
  process: MeasuredProcess,
  { signal }: { signal: AbortSignal },
): Promise<number> {
  const over = new AbortController();
  const ended = process.ended().then((): never => {
    throw new Error(`${process.name} ended before it was done`);
  });
  // Afterwards it is ended, and nobody asks why.
  ended.catch(() => undefined);
  try {
    const either = AbortSignal.any([signal, over.signal]);
    return await Promise.race([untilMarked(directory, either), ended]);
  } finally {
    over.abort();
  }
}

async function untilMarked(directory: string, signal: AbortSignal): Promise<number> {
  for await (const { filename } of watch(directory, { signal })) {
    if (filename === mark) return monotonicMs();
  }
  throw new Error(`the folder ${directory} is watched no more`);
}
