/** A set of piece numbers below a fixed count, with the bits in the order of BEP 3. */
export class Bitfield {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #count = 0;

  constructor(length: number) {
    this.length = length;
    this.#bytes = new Uint8Array(Math.ceil(length / 8));
  }

  /**
   * Reads the bytes of a `bitfield` message (BEP 3).
   * @returns undefined when the size is wrong or a spare bit is set.
   */
  static parse(length: number, bytes: Uint8Array): Bitfield | undefined {
    const field = new Bitfield(length);
    if (bytes.length !== field.#bytes.length) return undefined;
    const spareBits = bytes.length * 8 - length;
    if (((bytes.at(-1) ?? 0) & ((1 << spareBits) - 1)) !== 0) return undefined;
    field.#bytes.set(bytes);
    for (const byte of bytes) field.#count += bitCount(byte);
    return field;
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length);
    for (let index = 0; index < length; index++) field.add(index);
    return field;
  }

  /** How many pieces are in the set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0;
  }

  /** @returns whether the piece was not in the set before. */
  add(index: number): boolean {
    if (index < 0 || index >= this.length) throw new RangeError(`there is no piece ${index}`);
    if (this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
    this.#count += 1;
    return true;
  }

  /** @returns whether the piece was in the set before. */
  remove(index: number): boolean {
    if (!this.has(index)) return false;
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7));
    this.#count -= 1;
    return true;
  }

  *[Symbol.iterator](): Generator<number> {
    for (let index = 0; index < this.length; index++) if (this.has(index)) yield index;
  }

  /** The bytes themselves, in the order of BEP 3; they are changed by `add` and `remove` alone. */
  get bytes(): Readonly<Uint8Array> {
    return this.#bytes;
  }

  /** A copy of the bytes, as a `bitfield` message carries them. */
  toBytes(): Uint8Array {
    return this.#bytes.slice();
  }
}

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
