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

  /** Changes the limit while it is in use; what was taken before is forgotten. */
  set bytesPerSecond(rate: number) {
    this.#rate[0] = rate;
    Atomics.store(this.#cells, 0, 0n);
  }

  /** Takes bytes. Returns the milliseconds to wait before what they stand for is done, or 0. */
  take(bytes: number): number {
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
      return paid > now ? Number(paid - now) / 1e6 : 0;
    }
  }
}

/** How much of the rate may be taken at once after a pause: what it gives in this time. */
const burstNs = 50_000_000n;
