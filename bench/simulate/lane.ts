/**
 * Events that are all due the same time after they were sent, so that they stay in order: a ring of
 * numbers instead of a heap. An event is a kind and two numbers.
 */
export class Lane {
  readonly delaySeconds: number;
  #times = new Float64Array(64);
  #sequences = new Float64Array(64);
  #values = new Int32Array(3 * 64);
  #head = 0;
  #count = 0;

  constructor(delaySeconds: number) {
    this.delaySeconds = delaySeconds;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** When the first one is due. Infinity: there is none. */
  get time(): number {
    return this.#count === 0 ? Infinity : this.#times[this.#head]!;
  }

  get sequence(): number {
    return this.#sequences[this.#head]!;
  }

  get kind(): number {
    return this.#values[3 * this.#head]!;
  }

  get first(): number {
    return this.#values[3 * this.#head + 1]!;
  }

  get second(): number {
    return this.#values[3 * this.#head + 2]!;
  }

  push(now: number, sequence: number, kind: number, first: number, second: number): void {
    if (this.#count === this.#times.length) this.#grow();
    const place = (this.#head + this.#count++) & (this.#times.length - 1);
    this.#times[place] = now + this.delaySeconds;
    this.#sequences[place] = sequence;
    this.#values[3 * place] = kind;
    this.#values[3 * place + 1] = first;
    this.#values[3 * place + 2] = second;
  }

  shift(): void {
    this.#head = (this.#head + 1) & (this.#times.length - 1);
    this.#count -= 1;
  }

  #grow(): void {
    const { length } = this.#times;
    const times = new Float64Array(2 * length);
    const sequences = new Float64Array(2 * length);
    const values = new Int32Array(6 * length);
    for (let index = 0; index < length; index++) {
      const place = (this.#head + index) & (length - 1);
      times[index] = this.#times[place]!;
      sequences[index] = this.#sequences[place]!;
      for (let part = 0; part < 3; part++)
        values[3 * index + part] = this.#values[3 * place + part]!;
    }
    this.#times = times;
    this.#sequences = sequences;
    this.#values = values;
    this.#head = 0;
  }
}
