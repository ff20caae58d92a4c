import type * as CliProgress from 'cli-progress';
import { createRequire } from 'node:module';
import { formatBytes, formatDuration } from './units.ts';

/** How often a line is printed where there is no terminal. */
const lineEveryMs = 2_000;

const load = createRequire(import.meta.url);

/** How far a transfer is: a bar with rate and time left on a terminal, plain lines elsewhere. */
export class ProgressBar {
  readonly #stream: NodeJS.WriteStream;
  readonly #what: string;
  readonly #quiet: boolean;
  readonly #startedMs = performance.now();
  #bar: CliProgress.SingleBar | undefined;
  #lastLineMs = this.#startedMs;

  constructor(components: { stream: NodeJS.WriteStream }, init: { what: string; quiet: boolean }) {
    this.#stream = components.stream;
    this.#what = init.what;
    this.#quiet = init.quiet;
  }

  update(doneBytes: number, totalBytes: number): void {
    if (this.#stream.isTTY) this.#draw(doneBytes, totalBytes);
    else if (!this.#quiet) this.#print(doneBytes, totalBytes);
  }

  #draw(doneBytes: number, totalBytes: number): void {
    if (this.#bar === undefined) {
      const format = `${this.#what} {bar} {percentage}% | {size} | {rate}/s | {left} left`;
      const plain = { barCompleteChar: '#', barIncompleteChar: '.' };
      // Only a terminal needs it, and only once there is something to show.
      const cliProgress = load('cli-progress') as typeof CliProgress;
      this.#bar = new cliProgress.SingleBar(
        { stream: this.#stream, format, hideCursor: true, etaBuffer: 50, ...plain },
        cliProgress.Presets.legacy,
      );
      this.#bar.start(totalBytes, 0, this.#figures(0, totalBytes));
    }
    this.#bar.setTotal(totalBytes);
    this.#bar.update(doneBytes, this.#figures(doneBytes, totalBytes));
  }

  #figures(doneBytes: number, totalBytes: number): Record<'size' | 'rate' | 'left', string> {
    const elapsedMs = performance.now() - this.#startedMs;
    const rate = (doneBytes * 1_000) / Math.max(1, elapsedMs);
    const leftMs = rate > 0 ? ((totalBytes - doneBytes) / rate) * 1_000 : undefined;
    return {
      size: `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
      rate: formatBytes(rate),
      left: leftMs === undefined ? '?' : formatDuration(leftMs),
    };
  }

  #print(doneBytes: number, totalBytes: number): void {
    const now = performance.now();
    if (now - this.#lastLineMs < lineEveryMs) return;
    this.#lastLineMs = now;
    const { size, rate, left } = this.#figures(doneBytes, totalBytes);
    this.#stream.write(`${this.#what}: ${size}, ${rate}/s, ${left} left\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
