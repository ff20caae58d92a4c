/**
 * A rate limit with a short burst. Who takes more than there is goes into debt and is told how
 * long to wait until it is paid; those who take later wait behind.
 */
export class TokenBucket {
  #rateBytesPerSecond: number;
  readonly #burstSeconds: number;
  readonly #now: () => number;
  #balanceBytes: number;
  #updatedMs: number;

  /**
   * @param init.rateBytesPerSecond Infinity: no limit
   * @param init.burstSeconds how much of the rate may be taken at once after a pause
   * @param now milliseconds that only grow
   */
  constructor(
    components: { now: () => number },
    init: { rateBytesPerSecond: number; burstSeconds?: number },
  ) {
    this.#now = components.now;
    this.#rateBytesPerSecond = init.rateBytesPerSecond;
    this.#burstSeconds = init.burstSeconds ?? 0.05;
    this.#balanceBytes = this.#capacityBytes;
    this.#updatedMs = components.now();
  }

  get #capacityBytes(): number {
    return this.#rateBytesPerSecond * this.#burstSeconds;
  }

  get rateBytesPerSecond(): number {
    return this.#rateBytesPerSecond;
  }

  /** Changes the limit while it is in use. */
  set rateBytesPerSecond(rate: number) {
    this.#refill();
    this.#rateBytesPerSecond = rate;
    if (rate === Infinity) this.#balanceBytes = 0;
  }

  /** Takes bytes. Returns the milliseconds to wait before what they stand for is done, or 0. */
  take(bytes: number): number {
    if (this.#rateBytesPerSecond === Infinity) return 0;
    this.#refill();
    this.#balanceBytes -= bytes;
    if (this.#balanceBytes >= 0) return 0;
    return Math.ceil((-this.#balanceBytes / this.#rateBytesPerSecond) * 1_000);
  }

  #refill(): void {
    const now = this.#now();
    if (this.#rateBytesPerSecond !== Infinity) {
      const earned = ((now - this.#updatedMs) / 1_000) * this.#rateBytesPerSecond;
      this.#balanceBytes = Math.min(this.#capacityBytes, this.#balanceBytes + earned);
    }
    this.#updatedMs = now;
  }
}
