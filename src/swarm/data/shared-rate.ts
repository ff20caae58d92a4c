/**
 * A rate limit that several threads share: a token bucket kept as one number in shared memory, the
 * time at which all that was taken so far will have been paid for (the generic cell rate algorithm,
 * ITU-T I.371). Who takes more than there is is told how long to wait; those who take later wait
 * behind.
 */
export class SharedRate {
  readonly #cells: BigInt64Array;
  readonly #rate: Float64Array;

  /** @param memory as of `SharedRate.create`; may be posted to other threads */
  constructor(memory: SharedArrayBuffer) {
    this.#cells = new BigInt64Array(memory, 0, 1);
    this.#rate = new Float64Array(memory, 8, 1);
  }

  /** @param rateBytesPerSecond Infinity: no limit */
  static create(rateBytesPerSecond: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(16);
    new Float64Array(memory, 8, 1)[0] = rateBytesPerSecond;
    return memory;
  }

  get bytesPerSecond(): number {
    return this.#rate[0] ?? Infinity;
  }

  /**
   * Changes the limit while it is in use; what was taken before is forgotten. Who waits already must
   * be told of it.
   */
  set bytesPerSecond(rate: number) {
    this.#rate[0] = rate;
    Atomics.store(this.#cells, 0, 0n);
  }

  /**
   * Takes bytes.
   * @param share who counts less than others, below 1, lets as much more of theirs pass before its own;
   * while nobody else takes, it does not wait longer
   * @returns the milliseconds to wait before what the bytes stand for is done, or 0
   */
  take(bytes: number, share = 1): number {
    const rate = this.bytesPerSecond;
    if (rate === Infinity) return 0;
    const cost = BigInt(Math.ceil((bytes / rate) * 1e9));
    for (;;) {
      // All threads of a process read the same clock.
      const now = process.hrtime.bigint();
      const before = Atomics.load(this.#cells, 0);
      const start = before < now - burstNs ? now - burstNs : before;
      const paid = start + cost;
      if (Atomics.compareExchange(this.#cells, 0, before, paid) !== before) continue;
      if (paid <= now) return 0;
      const othersNs = Math.max(0, Number(start - now));
      return Math.min(longestWaitMs, (Number(paid - now) + othersNs / share - othersNs) / 1e6);
    }
  }
}

/** How much of the rate may be taken at once after a pause: what it gives in this time. */
const burstNs = 50_000_000n;

/** What a timer can wait. */
const longestWaitMs = 2 ** 31 - 1;
