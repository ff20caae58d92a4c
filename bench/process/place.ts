import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../src/image/index.ts';
import { MeasuredProcess, type MeasuredInit } from './measured-process.ts';

/** Where a seed or fetcher runs. */
export interface Place {
  /** An empty folder of its own, which is removed afterwards. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** Starts a program that is ended, if it has not, when the run is over. */
  readonly start: (name: string, command: readonly [string, ...string[]]) => MeasuredProcess;
}

/** A place whose folder and processes are gone when it is disposed of. */
export type OpenPlace = Place & AsyncDisposable;

/** Opens a place with a new folder in `directory`. */
export async function openPlace(
  directory: string,
  init: { readonly name: string } & Pick<MeasuredInit, 'deadlineMs' | 'sampleMs'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<OpenPlace> {
  const resources = new AsyncDisposableStack();
  const own = await mkdtemp(join(directory, `${init.name}-`));
  resources.defer(() => removeTree(own));
  return {
    directory: own,
    signal,
    start: (name, command) =>
      resources.use(
        new MeasuredProcess(
          { name, command, deadlineMs: init.deadlineMs, sampleMs: init.sampleMs },
          { signal },
        ),
      ),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
