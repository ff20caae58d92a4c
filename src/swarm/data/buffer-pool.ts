/** Buffers from this size on are kept for the next who needs one of the same size. */
const pooledFromBytes = 64 << 10;

/** Memory that is used again: what carries pieces is asked for and given back all the time. */
export class BufferPool {
  readonly #limitBytes: number;
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;

  /** @param init.limitBytes how much is kept while nobody uses it */
  constructor(init: { limitBytes: number }) {
    this.#limitBytes = init.limitBytes;
  }

  /** A buffer of this size, its content undefined. */
  take(sizeBytes: number): Buffer {
    const found = this.#free.get(sizeBytes)?.pop();
    if (found === undefined) {
      return sizeBytes < pooledFromBytes
        ? Buffer.allocUnsafe(sizeBytes)
        : Buffer.allocUnsafeSlow(sizeBytes);
    }
    this.#freeBytes -= sizeBytes;
    return found;
  }

  /** Gives a buffer back; the caller must not look at it any more. */
  give(buffer: Buffer): void {
    if (buffer.length < pooledFromBytes || this.#freeBytes + buffer.length > this.#limitBytes) {
      return;
    }
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
    this.#freeBytes += buffer.length;
  }
}

/** What of the buffers is left when `count` bytes were read or written. */
export function after(buffers: readonly Buffer[], count: number): Buffer[] {
  let skip = count;
  return buffers.flatMap((buffer) => {
    const skipped = Math.min(skip, buffer.length);
    skip -= skipped;
    return skipped === buffer.length ? [] : [buffer.subarray(skipped)];
  });
}
