import type { Counter } from 'prom-client';

/**
 * Counts by labels, and gives the counts to a metric only when that is asked for: what is counted
 * often should cost little each time.
 */
export class Tally<Label extends string> {
  readonly #names: readonly Label[];
  readonly #counts = new Map<string, number>();

  constructor(...names: readonly Label[]) {
    this.#names = names;
  }

  /** @param values those of the labels, none with a space in it, joined by spaces */
  count(values: string): void {
    this.#counts.set(values, (this.#counts.get(values) ?? 0) + 1);
  }

  /** Adds what was counted since the last time. */
  flush(counter: Counter<Label>): void {
    for (const [key, count] of this.#counts) {
      const values = key.split(' ');
      const labels = this.#names.map((name, index) => [name, values[index] ?? '']);
      counter.inc(Object.fromEntries(labels) as Record<Label, string>, count);
    }
    this.#counts.clear();
  }
}
