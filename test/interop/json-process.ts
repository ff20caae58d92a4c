import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import type * as z from 'zod';

/** Nothing that a test waits for takes longer, also on a busy machine. */
const deadlineMs = 40_000;
const keptCharacters = 4_000;

/**
 * A child process that says lines of JSON on stdout, and may be told lines of JSON on stdin. What
 * it says on stderr is shown when a test waits in vain. Disposing of it kills it.
 */
export class JsonProcess implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #lines: unknown[] = [];
  readonly #changes = new EventEmitter();
  #stderr = '';
  /** How it ended, once it has. */
  #ended: string | undefined;

  /** @param name what it is called in messages; by default, the script that an interpreter runs */
  constructor(command: string, args: readonly string[], name = basename(args[0] ?? command)) {
    this.#name = name;
    this.#child = spawn(command, args, { stdio: 'pipe' });
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#lines.push(parsed(line));
      this.#changes.emit('change');
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptCharacters);
    });
    // What it can't be told any more shows when its next line is waited for.
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('error', (error) => (this.#stderr += error.message));
    this.#child.on('close', (code, signal) => {
      this.#ended = signal ?? `exit code ${String(code)}`;
      this.#changes.emit('change');
    });
  }

  tell(value: object): void {
    this.#child.stdin.write(`${JSON.stringify(value)}\n`);
  }

  /**
   * Takes the first line that fits, of those said before or of those to come.
   * @param what stands for the line in the message of the error
   */
  async take<T>(schema: z.ZodType<T>, what: string): Promise<T> {
    const signal = AbortSignal.timeout(deadlineMs);
    for (;;) {
      for (const [index, line] of this.#lines.entries()) {
        const result = schema.safeParse(line);
        if (!result.success) continue;
        this.#lines.splice(index, 1);
        return result.data;
      }
      if (this.#ended !== undefined) {
        throw this.#error(`ended with ${this.#ended} and never said ${what}`);
      }
      await once(this.#changes, 'change', { signal }).catch((cause: unknown) => {
        throw this.#error(`has not said ${what} in ${deadlineMs} ms`, cause);
      });
    }
  }

  /** Waits for its end. @returns `exit code 0`, or the like, or the signal that ended it */
  async ended(): Promise<string> {
    const signal = AbortSignal.timeout(deadlineMs);
    while (this.#ended === undefined) {
      await once(this.#changes, 'change', { signal }).catch((cause: unknown) => {
        throw this.#error(`has not ended in ${deadlineMs} ms`, cause);
      });
    }
    return this.#ended;
  }

  /** What it said that nobody took; the end of it, if that is much. */
  said(): string {
    const lines = this.#lines.map((line) => JSON.stringify(line)).join('\n');
    return `${lines.slice(-keptCharacters)}\n${this.#stderr}`;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #error(what: string, cause?: unknown): Error {
    return new Error(`${this.#name} ${what}. Besides it said:\n${this.said()}`, { cause });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }
}

/** A line that is no JSON is kept as it is, for messages. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}
