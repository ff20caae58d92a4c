import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** One line of a program's JSON output. */
export type ProgramLine = Record<string, unknown> & { readonly event?: string };

const keptErrorCharacters = 8_192;
const endGraceMs = 20_000;

/**
 * One of our programs as a process of its own, with `--json`, that may be killed at any moment. It
 * ends with the test that started it.
 */
export class KillableProgram {
  readonly name: string;
  readonly lines: ProgramLine[] = [];
  /** The process has ended, and all that it said was read. */
  readonly closed: Promise<void>;
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #errors = '';
  #ended = false;

  constructor(program: 'seeder' | 'tracker' | 'fetcher', args: readonly string[]) {
    this.name = `${program} ${args[0] ?? ''}`;
    const bin = fileURLToPath(new URL(`../../${program}/bin.js`, import.meta.url));
    this.#child = spawn(process.execPath, [bin, ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptErrorCharacters);
    });
    if (this.#child.stdout !== null) {
      createInterface(this.#child.stdout).on('line', (line) => {
        this.#onLine(line);
      });
    }
    this.closed = once(this.#child, 'close').then(() => {
      this.#ended = true;
      this.#changed();
    });
    onTestFinished(() => this.kill());
  }

  get ended(): boolean {
    return this.#ended;
  }

  #onLine(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as ProgramLine);
    } catch {
      // The last line of a process that was killed may be cut.
      return;
    }
    this.#changed();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /**
   * Waits until what it has said satisfies `holds`.
   * @throws Error when it ends before, or the signal's reason
   */
  async until<T>(
    what: string,
    holds: (lines: readonly ProgramLine[]) => T | undefined,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<T> {
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      const found = holds(this.lines);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`${this.name} ended before ${what}.\n${this.#said()}`);
      await this.#change(signal);
    }
  }

  async #change(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const watcher = () => {
      resolve(undefined);
    };
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', watcher);
    await promise;
    this.#watchers.delete(watcher);
    signal?.removeEventListener('abort', watcher);
  }

  /** Waits for the first line with this event. */
  async untilEvent(event: string): Promise<ProgramLine> {
    return await this.until(`"${event}"`, (lines) => lines.find((line) => line.event === event));
  }

  #said(): string {
    return `${this.lines
      .slice(-5)
      .map((line) => JSON.stringify(line))
      .join('\n')}\n${this.#errors}`;
  }

  /** Ends it at once, as the kernel does when memory is short. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGKILL');
    await this.closed;
  }

  /** Asks it to end; returns the last line that it said. @throws Error when it does not end well */
  async end(): Promise<ProgramLine> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endGraceMs);
    await this.closed;
    clearTimeout(timer);
    return this.#result();
  }

  /** Waits for its end; returns the last line that it said. @throws Error when it does not end well */
  async result(): Promise<ProgramLine> {
    await this.closed;
    return this.#result();
  }

  #result(): ProgramLine {
    const last = this.lines.at(-1);
    if (this.#child.exitCode === 0 && last !== undefined) return last;
    throw new Error(
      `${this.name} ended with ${this.#child.signalCode ?? this.#child.exitCode ?? '?'}.\n${this.#said()}`,
    );
  }
}
