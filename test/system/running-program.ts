import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import {
  binOf,
  testEnvironment,
  type JsonObject,
  type ProgramName,
  type RunInit,
} from './ended-program.ts';

/** Nothing that a test waits for takes longer, also on a busy machine. */
const patienceMs = 60_000;
const keptCharacters = 8_192;

/** What a program says while it runs. */
export type ProgramEvent = JsonObject & { readonly event?: string };

/**
 * One of our programs while it runs, with `--json`. Disposing of it ends it as an operator would,
 * and kills it if it does not end.
 */
export class RunningProgram implements AsyncDisposable {
  readonly program: ProgramName;
  /** All that it has said so far, oldest first. */
  readonly events: ProgramEvent[] = [];
  readonly #child: ChildProcess;
  readonly #changes = new EventEmitter();
  readonly #closed: Promise<number | null>;
  #ended = false;
  #stderr = '';

  constructor(program: ProgramName, args: readonly string[], init: RunInit = {}) {
    this.program = program;
    const child = spawn(process.execPath, [binOf(program), ...args, '--json'], {
      cwd: init.cwd,
      env: testEnvironment(init.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#changes.setMaxListeners(0);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptCharacters);
    });
    createInterface(child.stdout).on('line', (line) => {
      this.events.push(JSON.parse(line) as ProgramEvent);
      this.#changes.emit('change');
    });
    this.#closed = once(child, 'close').then(([code]) => {
      this.#ended = true;
      this.#changes.emit('change');
      return code as number | null;
    });
  }

  /** The end of what it has said on stderr so far. */
  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /**
   * Waits for the first event that suits, of those there were and those to come.
   * @param init after: only of what was said from this number on
   * @throws when the program ends first, or says nothing of the kind
   */
  async until(
    what: string,
    suits: (event: ProgramEvent) => boolean,
    init: { readonly after?: number } = {},
  ): Promise<ProgramEvent> {
    const signal = AbortSignal.timeout(patienceMs);
    for (let seen = init.after ?? 0; ;) {
      for (; seen < this.events.length; seen++) {
        const event = this.events[seen];
        if (event !== undefined && suits(event)) return event;
      }
      if (this.#ended) throw this.#error(`ended before "${what}"`);
      await once(this.#changes, 'change', { signal }).catch((cause: unknown) => {
        throw this.#error(`did not say "${what}"`, cause);
      });
    }
  }

  /** Waits for an event by its name. */
  untilEvent(name: string, init: { readonly after?: number } = {}): Promise<ProgramEvent> {
    return this.until(name, ({ event }) => event === name, init);
  }

  /** Sends a signal and waits for the end. @returns the exit code, null when a signal ended it */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.#ended) this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs);
    const code = await this.#closed;
    clearTimeout(timer);
    return code;
  }

  #error(what: string, cause?: unknown): Error {
    const said = this.events.slice(-20).map((event) => JSON.stringify(event));
    return new Error(`${this.program} ${what}; it said\n${said.join('\n')}\n${this.#stderr}`, {
      cause,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
