import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { environmentWithCompileCache } from '../compile-cache.ts';
import { ImageError, StorageError, type StarlingError } from '../errors.ts';
import type { HashResult } from './hash-task.ts';
import type { AnyHashTask, HashReply, HashRequest } from './hash-worker.ts';

interface Pending {
  readonly resolve: (results: readonly HashResult[]) => void;
  readonly reject: (error: Error) => void;
}

interface Lane {
  readonly worker: Worker;
  /** Why its thread is no more; a request to it would never be answered. */
  ended: Error | undefined;
  readonly pending: Map<number, Pending>;
  readonly exited: Promise<void>;
}

/** Worker threads that hash files. Requests go to the thread with the fewest before it. */
export class HashPool {
  readonly #lanes: Lane[] = [];
  /** Set when the threads are to leave what they have not begun; shared with them. */
  readonly #isEnding = new Int32Array(new SharedArrayBuffer(4));
  #nextId = 0;

  /** @param threads how many threads; by default one a core, eight at most */
  constructor(threads: number = Math.min(8, availableParallelism())) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const url = new URL(`./hash-worker.${extension}`, import.meta.url);
    for (let index = 0; index < threads; index++) {
      this.#lanes.push(startLane(url, this.#isEnding));
    }
  }

  /** How many requests keep every thread busy. */
  get width(): number {
    return this.#lanes.length * 2;
  }

  /**
   * Hashes, and copies where a task says so.
   * @throws ImageError IMAGE_CHANGED for a file that became shorter; StorageError for a disk's fault
   */
  run(tasks: readonly AnyHashTask[]): Promise<readonly HashResult[]> {
    const lane = this.#lanes.reduce((a, b) => (b.pending.size < a.pending.size ? b : a));
    const request: HashRequest = { id: this.#nextId++, tasks };
    return new Promise((resolve, reject) => {
      if (lane.ended !== undefined) {
        reject(lane.ended);
        return;
      }
      lane.pending.set(request.id, { resolve, reject });
      lane.worker.postMessage(request);
    });
  }

  /**
   * Ends the threads; what they had not finished fails. Each ends by itself, after the request it is
   * at: to terminate a thread that loads its modules, or is in a call to the system, can crash Node
   * (nodejs/node issues 43182 and 38418).
   */
  async [Symbol.asyncDispose](): Promise<void> {
    Atomics.store(this.#isEnding, 0, 1);
    for (const { worker } of this.#lanes) worker.postMessage(undefined);
    await Promise.all(this.#lanes.map(({ exited }) => exited));
  }
}

function startLane(url: URL, isEnding: Int32Array): Lane {
  const worker = new Worker(url, {
    name: 'hash',
    env: environmentWithCompileCache(),
    workerData: isEnding,
  });
  const { promise: exited, resolve: markExited } = Promise.withResolvers<void>();
  const pending = new Map<number, Pending>();
  worker.on('message', (reply: HashReply) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if ('results' in reply) waiting?.resolve(reply.results);
    else waiting?.reject(errorOf(reply.failure));
  });
  const lane: Lane = { worker, pending, exited, ended: undefined };
  const failAll = (error: Error) => {
    lane.ended = error;
    for (const waiting of pending.values()) waiting.reject(error);
    pending.clear();
  };
  worker.on('error', failAll);
  worker.on('exit', () => {
    failAll(new StorageError('STORAGE_FAILED', 'hashing was ended before it was done'));
    markExited();
  });
  return lane;
}

function errorOf(failure: Extract<HashReply, { failure: unknown }>['failure']): StarlingError {
  const evidence = { path: failure.path, errno: failure.code };
  if (failure.short || failure.code === 'ENOENT' || failure.code === 'ELOOP') {
    return new ImageError(
      'IMAGE_CHANGED',
      `"${failure.path}" changed while it was read; bake a tree that nothing writes to`,
      { evidence },
    );
  }
  const full = failure.code === 'ENOSPC' || failure.code === 'EDQUOT';
  return new StorageError(
    full ? 'STORAGE_NO_SPACE' : 'STORAGE_FAILED',
    `"${failure.path}" can't be read or stored: ${failure.message}`,
    { evidence },
  );
}
