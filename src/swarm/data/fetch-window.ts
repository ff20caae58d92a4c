/** How far ahead a peer is asked beyond the time that an answer takes. */
const aheadSeconds = 0.1;
const startBytes = 256 << 10;
const minBytes = 64 << 10;
const maxBytes = 8 << 20;
/** The rate is worked out anew after this long. */
const sampleMs = 25;
/** How much the newest sample counts where the rate falls; where it rises it is believed at once. */
const smoothing = 0.25;

/**
 * How much a peer is asked for at a time: what it sends while an answer is under way (the
 * bandwidth-delay product), and a little more. Both are measured. The window grows as long as a
 * larger one brings more.
 */
export class FetchWindow {
  /** How many bytes may be asked for and not answered. */
  bytes = startBytes;
  #rateBytesPerSecond = 0;
  #roundTripMs = Infinity;
  #sampleStartMs: number | undefined;
  #sampleBytes = 0;
  #probeAtMs: number | undefined;
  #idleSinceMs: number | undefined;

  get rateBytesPerSecond(): number {
    return this.#rateBytesPerSecond;
  }

  /** A request was sent. @returns whether its answer should be told to `answered` */
  asked(nowMs: number): boolean {
    const idleMs = nowMs - (this.#idleSinceMs ?? nowMs);
    this.#idleSinceMs = undefined;
    // A short pause is part of how fast things go; a long one says nothing of the peer.
    if (this.#sampleStartMs === undefined || idleMs > sampleMs) {
      this.#sampleStartMs = nowMs;
      this.#sampleBytes = 0;
    }
    if (this.#probeAtMs !== undefined) return false;
    this.#probeAtMs = nowMs;
    return true;
  }

  /** The first bytes of the answer to the request that was marked have come. */
  answered(nowMs: number): void {
    if (this.#probeAtMs === undefined) return;
    this.#roundTripMs = Math.min(this.#roundTripMs, nowMs - this.#probeAtMs);
    this.#probeAtMs = undefined;
  }

  /** The marked request will not be answered. */
  unanswered(): void {
    this.#probeAtMs = undefined;
  }

  received(bytes: number, nowMs: number): void {
    this.#sampleBytes += bytes;
    const elapsedMs = nowMs - (this.#sampleStartMs ?? nowMs);
    if (elapsedMs < sampleMs) return;
    const rate = (this.#sampleBytes * 1_000) / elapsedMs;
    const before = this.#rateBytesPerSecond;
    this.#rateBytesPerSecond = rate > before ? rate : before + smoothing * (rate - before);
    this.#sampleBytes = 0;
    this.#sampleStartMs = nowMs;
    const roundTripMs = this.#roundTripMs === Infinity ? 0 : this.#roundTripMs;
    const wanted = this.#rateBytesPerSecond * (aheadSeconds + roundTripMs / 1_000);
    this.bytes = Math.min(maxBytes, Math.max(minBytes, wanted));
  }

  /** Nothing is asked for at the moment. */
  idle(nowMs: number): void {
    this.#idleSinceMs ??= nowMs;
  }
}
