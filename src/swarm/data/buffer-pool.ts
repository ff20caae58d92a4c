/** The smallest buffer that is kept; each size class holds twice as much as the one before. */
const smallestBytes = 4_096;

/**
 * Memory that is used again: what carries pieces is asked for and given back all the time. Memory of
 * a larger class than needed costs little: pages that are not touched are not there.
 */
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
    const classBytes = classOf(sizeBytes);
    const found = this.#free.get(classBytes)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(classBytes).subarray(0, sizeBytes);
    this.#freeBytes -= classBytes;
    return found.subarray(0, sizeBytes);
  }

  /** Gives a buffer back that `take` gave; the caller must not look at it any more. */
  give(buffer: Buffer): void {
    const whole = Buffer.from(buffer.buffer);
    if (this.#freeBytes + whole.length > this.#limitBytes) return;
    const free = this.#free.get(whole.length);
    if (free === undefined) this.#free.set(whole.length, [whole]);
    else free.push(whole);
    this.#freeBytes += whole.length;
  }
}

function classOf(sizeBytes: number): number {
  let classBytes = smallestBytes;
  while (classBytes < sizeBytes) classBytes *= 2;
  return classBytes;
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
