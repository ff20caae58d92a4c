import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type ProgramName = 'seeder' | 'tracker' | 'fetcher';

/** One line of a program's JSON output. */
export type ProgramEvent = Record<string, unknown> & { readonly event?: string };

/** How long a program may take to end when it is asked to. */
const endGraceMs = 15_000;

/** One of our own programs as a process of its own, spoken to as any script would. */
export class ProgramProcess implements AsyncDisposable {
  readonly name: string;
  onEvent: ((event: ProgramEvent) => void) | undefined;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #events: ProgramEvent[] = [];
  readonly #waiting = new Set<() => void>();
  #errors = '';
  #ended = false;

  constructor(program: ProgramName, args: readonly string[], init: { name?: string } = {}) {
    this.name = init.name ?? program;
    const bin = fileURLToPath(new URL(`../../${program}/bin.js`, import.meta.url));
    this.#child = spawn(process.execPath, [bin, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString('utf8')).slice(-8_192);
    });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => {
        this.#onLine(line);
      });
    }
    this.#exited = once(this.#child, 'close').then(([code]) => {
      this.#ended = true;
      for (const wake of this.#waiting) wake();
      return code as number | null;
    });
  }

  #onLine(line: string): void {
    const event = JSON.parse(line) as ProgramEvent;
    this.#events.push(event);
    this.onEvent?.(event);
    for (const wake of this.#waiting) wake();
  }

  /** Waits for the first event, of all there were, that suits. @throws when the program ends first */
  async until(what: string, suits: (event: ProgramEvent) => boolean): Promise<ProgramEvent> {
    for (let seen = 0; ;) {
      for (; seen < this.#events.length; seen++) {
        const event = this.#events[seen];
        if (event !== undefined && suits(event)) return event;
      }
      if (this.#ended) throw new Error(`${this.name} ended before "${what}":\n${this.#errors}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Waits for the end; returns the last line of its output. @throws when it failed */
  async result(): Promise<ProgramEvent> {
    const code = await this.#exited;
    const last = this.#events.at(-1);
    if (code !== 0 || last === undefined) {
      throw new Error(`${this.name} ended with exit code ${code ?? 'none'}:\n${this.#errors}`);
    }
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endGraceMs);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Runs a program to its end, and returns its result. */
export async function runProgram(
  program: ProgramName,
  args: readonly string[],
): Promise<ProgramEvent> {
  await using running = new ProgramProcess(program, args);
  return await running.result();
}
