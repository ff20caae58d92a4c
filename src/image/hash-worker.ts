import { parentPort } from 'node:worker_threads';
import { runHashTask, ShortReadError, type HashResult, type HashTask } from './hash-task.ts';

/** What a hash worker is sent and what it answers, one answer for each request, in order. */
export interface HashRequest {
  readonly id: number;
  readonly tasks: readonly HashTask[];
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

parentPort?.on('message', (request: HashRequest) => {
  parentPort?.postMessage(answer(request));
});

function answer({ id, tasks }: HashRequest): HashReply {
  const results: HashResult[] = [];
  for (const task of tasks) {
    try {
      results.push(runHashTask(task));
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      const short = error instanceof ShortReadError;
      return { id, failure: { short, path: task.source, message, code } };
    }
  }
  return { id, results };
}
