import { parentPort, workerData } from 'node:worker_threads';
import { runHashTask, ShortReadError, type HashResult, type HashTask } from './hash-task.ts';
import { runV1HashTask, type V1HashTask } from './v1-hash-task.ts';

/** What a thread can do: files as an image has them, or pieces as a v1 torrent has them. */
export type AnyHashTask = HashTask | V1HashTask;

/** What a hash worker is sent and what it answers, one answer for each request, in order. */
export interface HashRequest {
  readonly id: number;
  readonly tasks: readonly AnyHashTask[];
}

export type HashReply =
  | { readonly id: number; readonly results: readonly HashResult[] }
  | {
      readonly id: number;
      readonly failure: {
        readonly short: boolean;
        readonly path: string;
        readonly message: string;
        readonly code: string | undefined;
      };
    };

const isEnding = workerData as Int32Array;

/** Nothing is said when the thread is to end. */
parentPort?.on('message', (request: HashRequest | undefined) => {
  if (Atomics.load(isEnding, 0) === 1) parentPort?.close();
  else if (request !== undefined) parentPort?.postMessage(answer(request));
});

function answer({ id, tasks }: HashRequest): HashReply {
  const results: HashResult[] = [];
  for (const task of tasks) {
    try {
      results.push(run(task));
    } catch (error) {
      const { message, code, path = '' } = error as NodeJS.ErrnoException;
      const short = error instanceof ShortReadError;
      const source = 'parts' in task ? path : task.source;
      return { id, failure: { short, path: source, message, code } };
    }
  }
  return { id, results };
}

const run = (task: AnyHashTask): HashResult =>
  'parts' in task ? { layer: new Uint8Array(0), v1: runV1HashTask(task) } : runHashTask(task);
