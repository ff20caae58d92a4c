export interface RateLimitInit {
  /** How often in the long run. */
  readonly perSecond: number;
  /** How often at once, after a pause. */
  readonly burst: number;
  /** Who is remembered; the one that asked the longest ago is forgotten first. */
  readonly maxKeys: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Bounds how often each of many may do something (a token bucket each), in bounded memory. */
export class RateLimit {
  readonly #uptime: () => number;
  readonly #init: RateLimitInit;
  readonly #buckets = new Map<string, Bucket>();

  constructor(components: { uptime: () => number }, init: RateLimitInit) {
    this.#uptime = components.uptime;
    this.#init = init;
  }

  /** Whether `key` may do it once more, now; if so, it counts. */
  take(key: string): boolean {
    const { perSecond, burst, maxKeys } = this.#init;
    const nowMs = this.#uptime();
    const { tokens, atMs } = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    const filled = Math.min(burst, tokens + ((nowMs - atMs) / 1_000) * perSecond);
    const isAllowed = filled >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: isAllowed ? filled - 1 : filled, atMs: nowMs });
    if (this.#buckets.size > maxKeys) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return isAllowed;
  }
}
