import { styleText } from 'node:util';
import { describeError } from './exit-code.ts';
import { ProgressBar } from './progress-bar.ts';

export interface OutputStreams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/**
 * What a command says. For people: lines on stdout. With `--json`: one object as the last line on
 * stdout, and all else on stderr.
 */
export class Output {
  readonly json: boolean;
  readonly #streams: OutputStreams;

  constructor(components: { streams?: OutputStreams }, init: { json: boolean }) {
    this.#streams = components.streams ?? process;
    this.json = init.json;
  }

  /** A line for people about what goes on. */
  line(text: string): void {
    (this.json ? this.#streams.stderr : this.#streams.stdout).write(`${text}\n`);
  }

  /** Something that happened, while a command goes on: a line of JSON, or of text. */
  event(value: object, text: string): void {
    this.#streams.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }

  /** What the command was for. Must be the last thing that is said. */
  result(value: object, text: string): void {
    this.#streams.stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text}\n`);
  }

  error(error: unknown): void {
    const { code, message } = describeError(error);
    const stream = this.#streams.stderr;
    stream.write(`${styleText('red', 'error', { stream })}: ${message} (${code})\n`);
    if (this.json) this.#streams.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  }

  /** A bar on a terminal, now and then a line elsewhere. */
  progress(what: string): ProgressBar {
    const stream = this.json ? this.#streams.stderr : this.#streams.stdout;
    return new ProgressBar({ stream }, { what, quiet: this.json && !stream.isTTY });
  }
}
