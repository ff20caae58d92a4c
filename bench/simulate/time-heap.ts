/**
 * Which of many things is due next: a heap of four children a node over small ids, each of which has
 * one time that may change. Of equal times the one that was set first comes first.
 */
export class TimeHeap {
  readonly #times: Float64Array;
  readonly #sequences: Float64Array;
  /** Where an id stands in the heap; -1: not at all. */
  readonly #places: Int32Array;
  readonly #heap: Int32Array;
  #size = 0;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
    this.#sequences = new Float64Array(capacity);
    this.#places = new Int32Array(capacity).fill(-1);
    this.#heap = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** The id that is due next. -1: none. */
  get first(): number {
    return this.#size === 0 ? -1 : this.#heap[0]!;
  }

  time(id: number): number {
    return this.#times[id]!;
  }

  sequence(id: number): number {
    return this.#sequences[id]!;
  }

  has(id: number): boolean {
    return this.#places[id]! >= 0;
  }

  /** Sets or changes when an id is due. */
  set(id: number, time: number, sequence: number): void {
    this.#times[id] = time;
    this.#sequences[id] = sequence;
    let place = this.#places[id]!;
    if (place < 0) {
      place = this.#size++;
      this.#put(place, id);
    }
    this.#down(this.#up(place));
  }

  delete(id: number): void {
    const place = this.#places[id]!;
    if (place < 0) return;
    this.#places[id] = -1;
    const last = this.#heap[--this.#size]!;
    if (last === id) return;
    this.#put(place, last);
    this.#down(this.#up(place));
  }

  #put(place: number, id: number): void {
    this.#heap[place] = id;
    this.#places[id] = place;
  }

  #up(from: number): number {
    const id = this.#heap[from]!;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const other = this.#heap[parent]!;
      if (!this.#before(id, other)) break;
      this.#put(place, other);
      place = parent;
    }
    if (place !== from) this.#put(place, id);
    return place;
  }

  #down(from: number): void {
    const id = this.#heap[from]!;
    let place = from;
    for (;;) {
      let child = 4 * place + 1;
      if (child >= this.#size) break;
      const end = Math.min(child + 4, this.#size);
      let least = this.#heap[child]!;
      for (let other = child + 1; other < end; other++) {
        const candidate = this.#heap[other]!;
        if (!this.#before(candidate, least)) continue;
        least = candidate;
        child = other;
      }
      if (!this.#before(least, id)) break;
      this.#put(place, least);
      place = child;
    }
    if (place !== from) this.#put(place, id);
  }

  #before(one: number, other: number): boolean {
    const difference = this.#times[one]! - this.#times[other]!;
    if (difference !== 0) return difference < 0;
    return this.#sequences[one]! < this.#sequences[other]!;
  }
}
