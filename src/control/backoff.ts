export interface BackoffInit {
  /** The mean pause after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** What the mean pause grows to, doubling with each failure. */
  readonly mostMs: number;
}

/**
 * How long to wait after so many failures in a row, in milliseconds: between half and one and a half
 * times the mean, so that those who failed together don't come back together.
 * @param failures from 1
 * @param random from 0 to below 1
 */
export function backoffMs(failures: number, random: number, init: BackoffInit): number {
  const mean = Math.min(init.mostMs, init.firstMs * 2 ** Math.min(failures - 1, 30));
  return mean * (0.5 + random);
}
