/** When an app that ended is started again. */
export interface RestartConfig {
  /** The longest wait before the first restart; each next one is twice as long. */
  readonly firstDelayMs: number;
  /** No wait is longer. */
  readonly maxDelayMs: number;
  /** After running this long an app counts as well again, and the waits begin anew. */
  readonly resetAfterMs: number;
}

/**
 * How long to wait before a restart: exponential backoff with full jitter, so that a fleet whose
 * apps fall together does not rise together.
 * @param attempt how many restarts came before, since the app last ran for long
 * @param random a number from 0 to 1, exclusive
 */
export function restartDelayMs(attempt: number, random: number, config: RestartConfig): number {
  return random * Math.min(config.maxDelayMs, config.firstDelayMs * 2 ** Math.min(attempt, 50));
}
