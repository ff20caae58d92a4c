import { Worker } from 'node:worker_threads';
import { environmentWithCompileCache } from '../../compile-cache.ts';
import { DataPlane } from './data-plane.ts';
import type { DataBatch, DataCommand, DataEvent, DataPlaneInit } from './data-protocol.ts';

/** The main thread's end of one data plane. */
export interface DataLane {
  /** How many connections it has, or is opening. */
  links: number;
  post(command: DataCommand): void;
  /** Ends it: returns when nothing of it is left. */
  end(): Promise<void>;
}

export interface DataLaneEvents {
  onEvent(event: DataEvent): void;
  /** The thread has died; its connections are gone. */
  onDeath(error: Error): void;
}

/** A data plane in a thread of its own. */
export class ThreadLane implements DataLane {
  links = 0;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #commands: DataCommand[] = [];
  #ending = false;

  constructor(events: DataLaneEvents, init: DataPlaneInit) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./data-worker.${extension}`, import.meta.url), {
      name: 'data',
      env: environmentWithCompileCache(),
      workerData: init,
    });
    this.#worker.on('message', ({ batch, events: list }: DataBatch) => {
      for (const event of list) events.onEvent(event);
      this.post({ type: 'heard', batch });
    });
    let cause: Error | undefined;
    this.#worker.on('error', (error) => {
      cause = error as Error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        const reason = cause?.message ?? `exit code ${code}`;
        const death = new Error(`the thread has ended by itself: ${reason}`, { cause });
        if (!this.#ending) events.onDeath(death);
        resolve();
      });
    });
  }

  /** What is said in one go of the event loop goes together: to wake a thread costs more than that. */
  post(command: DataCommand): void {
    if (this.#commands.push(command) > 1) return;
    queueMicrotask(() => {
      const commands = this.#commands;
      this.#commands = [];
      this.#worker.postMessage(commands);
    });
  }

  async end(): Promise<void> {
    if (!this.#ending) this.post({ type: 'end' });
    this.#ending = true;
    await this.#ended;
  }
}

/** A data plane in the thread of its caller: for tests, and for hosts that spare the memory. */
export class LocalLane implements DataLane {
  links = 0;
  readonly #plane: DataPlane;
  readonly #ended: Promise<void>;
  #commands: DataCommand[] = [];

  constructor(events: DataLaneEvents, init: DataPlaneInit) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const post = ({ batch, events: list }: DataBatch) => {
      for (const event of list) {
        if (event.type === 'ended') resolve();
        events.onEvent(event);
      }
      this.post({ type: 'heard', batch });
    };
    this.#plane = new DataPlane({ post }, init);
  }

  /** As between threads, nothing is done before the caller has returned. */
  post(command: DataCommand): void {
    if (this.#commands.push(command) > 1) return;
    queueMicrotask(() => {
      const commands = this.#commands;
      this.#commands = [];
      for (const each of commands) this.#plane.obey(each);
    });
  }

  async end(): Promise<void> {
    this.post({ type: 'end' });
    await this.#ended;
  }
}
