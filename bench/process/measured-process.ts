import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import * as z from 'zod';
import { ConfigError } from '../../src/errors.ts';
import { LineLog, type TimedLine } from './line-log.ts';
import { cpuSecondsOfTree, residentBytesOf } from './process-usage.ts';

export interface MeasuredInit {
  /** What messages call it. */
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly env?: NodeJS.ProcessEnv;
  /** It is killed when it has not ended after this long. */
  readonly deadlineMs: number;
  /** How often its memory is looked at, 100 ms else. With many processes that costs time. */
  readonly sampleMs?: number | undefined;
}

export interface MeasuredOptions {
  /** Kills it. */
  readonly signal: AbortSignal;
}

const started = z.object({ event: z.literal('started'), pid: z.int(), atMs: z.number() });
const ended = z.object({
  event: z.literal('ended'),
  atMs: z.number(),
  code: z.int().nullable(),
  signal: z.int().nullable(),
  cpuSeconds: z.number(),
  peakBytes: z.number(),
  peakAnonymousBytes: z.number(),
});

/** How a program ended, and what it used from its start to its end. */
export type Ended = z.output<typeof ended>;

/** How long a program may take to end when it is asked to. */
const endGraceMs = 10_000;
const defaultSampleMs = 100;
const keptCharacters = 4_096;

/** The clock of measure.py. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

let python: string | undefined;

/** The Python that runs measure.py. @throws ConfigError CONFIG_MISSING */
export function findPython(): string {
  python ??= ['/usr/bin/python3', 'python3'].find(
    (path) => spawnSync(path, ['-c', 'import os; os.wait4'], { timeout: 20_000 }).status === 0,
  );
  if (python !== undefined) return python;
  throw new ConfigError('CONFIG_MISSING', 'python3 is not installed; it measures the processes');
}

/**
 * A program as a process of its own, of which is known what it uses and when it says what. It and
 * all that it starts are one process group, which is killed when the bench is ended.
 */
export class MeasuredProcess implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #reports: LineLog;
  readonly #lines: LineLog;
  readonly #closed: Promise<unknown>;
  readonly #release: () => void;
  #errors = '';
  #killedFor: string | undefined;

  constructor(init: MeasuredInit, { signal }: MeasuredOptions) {
    signal.throwIfAborted();
    this.name = init.name;
    const measure = join(import.meta.dirname, 'measure.py');
    const sampleSeconds = String((init.sampleMs ?? defaultSampleMs) / 1_000);
    this.#child = spawn(findPython(), ['-I', '-S', measure, sampleSeconds, ...init.command], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...init.env },
    });
    const [, stdout, stderr, reports] = this.#child.stdio as unknown as Readable[];
    if (!stdout || !stderr || !reports) throw new Error(`${init.name} has no pipes`);
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptCharacters);
    });
    const fail = (what: string) => this.#failure(what);
    this.#lines = new LineLog({ lines: createInterface(stdout), now: monotonicMs, fail });
    this.#reports = new LineLog({ lines: createInterface(reports), now: monotonicMs, fail });
    this.#closed = once(this.#child, 'close');
    const onAbort = () => {
      this.#kill('the bench was ended');
    };
    signal.addEventListener('abort', onAbort);
    const timer = setTimeout(() => {
      this.#kill(`it had not ended after ${init.deadlineMs / 1_000} s`);
    }, init.deadlineMs);
    this.#release = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    this.#closed.then(this.#release, this.#release);
  }

  /** When the program was started, by `monotonicMs`. */
  async startedMs(): Promise<number> {
    return (await this.#started()).atMs;
  }

  /** The first line of its stdout that fits. @throws when it ends before it says such a line */
  async line<T>(schema: z.ZodType<T>, what: string): Promise<TimedLine<T>> {
    return await this.#lines.find(schema, what);
  }

  /** The last line of its stdout so far that fits. */
  last<T>(schema: z.ZodType<T>): T | undefined {
    return this.#lines.last(schema);
  }

  /** Sends a signal to the program itself, unless it has ended. */
  async send(signal: NodeJS.Signals): Promise<void> {
    const { pid } = await this.#started();
    // Its parent, which waits for it, is there: so the id is still its own.
    if (this.#isRunning()) process.kill(pid, signal);
  }

  /** The CPU time of its process tree so far, to within 10 ms for each process. */
  async cpuSeconds(): Promise<number> {
    return cpuSecondsOfTree((await this.#started()).pid);
  }

  /** The resident set now, of the program alone, in bytes. */
  async residentBytes(): Promise<number> {
    return residentBytesOf((await this.#started()).pid);
  }

  /** Waits for its end. @throws when it ended in any other way than with exit code 0 */
  async succeeded(): Promise<Ended> {
    const end = await this.ended();
    if (end.code === 0) return end;
    throw this.#failure(`ended with ${end.code === null ? 'a signal' : `exit code ${end.code}`}`);
  }

  /** Waits for its end, whatever it be. @throws when it was killed for its deadline */
  async ended(): Promise<Ended> {
    const end = (await this.#reports.find(ended, 'what it used')).value;
    await this.#closed;
    return end;
  }

  /** Asks it to end, and after some seconds kills it. */
  async stop(): Promise<Ended> {
    this.#signal('SIGTERM', false);
    const timer = setTimeout(() => {
      this.#kill(`it was asked to end and had not after ${endGraceMs / 1_000} s`);
    }, endGraceMs);
    try {
      return await this.ended();
    } finally {
      clearTimeout(timer);
    }
  }

  async #started(): Promise<z.output<typeof started>> {
    return (await this.#reports.find(started, 'that it was started')).value;
  }

  #failure(what: string): Error {
    const why = this.#killedFor === undefined ? '' : `, killed because ${this.#killedFor}`;
    const said = this.#errors.trim() === '' ? '' : `\n${this.#errors.trim()}`;
    return new Error(`${this.name} ${what}${why}${said}`);
  }

  #kill(why: string): void {
    this.#killedFor ??= why;
    this.#signal('SIGKILL', true);
  }

  #signal(name: NodeJS.Signals, group: boolean): void {
    const { pid } = this.#child;
    if (pid !== undefined && this.#isRunning()) process.kill(group ? -pid : pid, name);
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill('it is needed no more');
    await this.#closed;
    this.#release();
  }
}
