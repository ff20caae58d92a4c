import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

const script = join(import.meta.dirname, 'activate-child.ts');

/** The process that runs activate-child.ts; it ends with the test. */
export class ActivatingChild {
  /** The last generation that it said is active. */
  acknowledged: number | undefined;
  /** How many it activated. */
  count = 0;
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  #onChange: (() => void) | undefined;
  #errors = '';

  constructor(host: string, source: string, how: 'durable' | 'careless') {
    this.#child = spawn(process.execPath, [script, host, source, how], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (this.#child.stdout !== null) {
      createInterface(this.#child.stdout).on('line', (line) => {
        this.#onLine(line);
      });
    }
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-8_192);
    });
    this.#closed = once(this.#child, 'close').then(() => this.#onChange?.());
    onTestFinished(() => this.kill());
  }

  #onLine(line: string): void {
    try {
      this.acknowledged = (JSON.parse(line) as { acknowledged: number }).acknowledged;
    } catch {
      // The last line of a process that was killed may be cut.
      return;
    }
    this.count += 1;
    this.#onChange?.();
  }

  /** Waits until it has activated so many. @throws Error when it ends before */
  async untilActivated(count: number): Promise<void> {
    while (this.count < count) {
      if (!this.#runs()) throw new Error(`it ended after ${this.count}:\n${this.#errors}`);
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
  }

  #runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it at once, and reads what it has said. */
  async kill(): Promise<void> {
    if (this.#runs()) this.#child.kill('SIGKILL');
    await this.#closed;
  }

  /** Waits for its end. @returns what it said on stderr */
  async ended(): Promise<string> {
    await this.#closed;
    return this.#errors;
  }
}
