/**
 * Numbers that are the same for the same seed (xorshift128, seeded by splitmix32): a run asks for
 * tens of millions of them.
 */
export class Random {
  readonly #state = new Int32Array(4);

  constructor(seed: number) {
    let mixed = seed | 0;
    for (let index = 0; index < 4; index++) {
      mixed = (mixed + 0x9e3779b9) | 0;
      let value = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
      value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
      this.#state[index] = value ^ (value >>> 15);
    }
    if (this.#state.every((word) => word === 0)) this.#state[0] = 1;
  }

  /** 32 bits, from 0. */
  bits(): number {
    const state = this.#state;
    let mixed = state[3]!;
    const first = state[0]!;
    state[3] = state[2]!;
    state[2] = state[1]!;
    state[1] = first;
    mixed ^= mixed << 11;
    mixed ^= mixed >>> 8;
    mixed ^= first ^ (first >>> 19);
    state[0] = mixed;
    return mixed >>> 0;
  }

  /** From 0 to below 1. */
  number(): number {
    return this.bits() / 4_294_967_296;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor((this.bits() * limit) / 4_294_967_296);
  }

  /** Shuffles in place (Fisher, Yates). */
  shuffle<T extends { [index: number]: number; readonly length: number }>(values: T): T {
    for (let left = values.length; left > 1; left--) {
      const other = this.below(left);
      const moved = values[left - 1]!;
      values[left - 1] = values[other]!;
      values[other] = moved;
    }
    return values;
  }
}
