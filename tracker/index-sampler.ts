/**
 * Draws different indices at random. Takes time for what is wanted, not for what there is, and
 * keeps four bytes for each index that it has ever drawn from.
 */
export class IndexSampler {
  readonly #random: () => number;
  /** 0, 1, 2, … between two samples; so nothing need be set up for one. */
  #order = new Uint32Array(0);
  #swapped = new Uint32Array(0);

  /** @param random numbers from 0 up to, not including, 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Draws `wanted` different indices below `count`, each selection and each order as likely as any
   * other (Fisher and Yates).
   */
  sample(count: number, wanted: number): number[] {
    const length = Math.min(count, wanted);
    this.#grow(count, length);
    const order = this.#order;
    const swapped = this.#swapped;
    const drawn: number[] = [];
    for (let place = 0; place < length; place++) {
      const from = place + Math.floor(this.#random() * (count - place));
      swapped[place] = from;
      drawn.push(order[from] ?? 0);
      swap(order, place, from);
    }
    for (let place = length - 1; place >= 0; place--) swap(order, place, swapped[place] ?? 0);
    return drawn;
  }

  #grow(count: number, length: number): void {
    if (this.#order.length < count) {
      this.#order = Uint32Array.from({ length: 2 * count }, (_, index) => index);
    }
    if (this.#swapped.length < length) this.#swapped = new Uint32Array(2 * length);
  }
}

function swap(order: Uint32Array, one: number, other: number): void {
  const value = order[one] ?? 0;
  order[one] = order[other] ?? 0;
  order[other] = value;
}
