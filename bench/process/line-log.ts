import type { Interface } from 'node:readline';
import type * as z from 'zod';

/** A line that was looked for, and when it came. */
export interface TimedLine<T> {
  readonly value: T;
  readonly atMs: number;
}

export interface LineLogComponents {
  readonly lines: Interface;
  readonly now: () => number;
  /** Makes the error for lines that ended without the one that was waited for. */
  readonly fail: (what: string) => Error;
}

/** The lines that a process says, of JSON or of text, each with the time at which it came. */
export class LineLog {
  readonly #fail: (what: string) => Error;
  readonly #lines: TimedLine<unknown>[] = [];
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor({ lines, now, fail }: LineLogComponents) {
    this.#fail = fail;
    lines.on('line', (text) => {
      this.#lines.push({ value: parsed(text), atMs: now() });
      this.#wake();
    });
    lines.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Waits for the first line, of all there were and will be, that fits. */
  async find<T>(schema: z.ZodType<T>, what: string): Promise<TimedLine<T>> {
    for (let seen = 0; ;) {
      for (; seen < this.#lines.length; seen++) {
        const line = this.#lines[seen];
        const result = schema.safeParse(line?.value);
        if (line !== undefined && result.success) return { value: result.data, atMs: line.atMs };
      }
      if (this.#closed) throw this.#fail(`ended and never said ${what}`);
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  /** The last line so far that fits. */
  last<T>(schema: z.ZodType<T>): T | undefined {
    for (let index = this.#lines.length - 1; index >= 0; index--) {
      const result = schema.safeParse(this.#lines[index]?.value);
      if (result.success) return result.data;
    }
    return undefined;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
