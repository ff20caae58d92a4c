/** Hosts and links for which the least possible time of a transfer is asked. Rates in bytes/s. */
export interface TransferPlan {
  readonly imageBytes: number;
  readonly pieceCount: number;
  /** How many hosts fetch; the seed is not one of them. */
  readonly hosts: number;
  readonly seedUpBytesPerSecond: number;
  readonly hostUpBytesPerSecond: number;
  readonly hostDownBytesPerSecond: number;
}

/**
 * The seconds that no schedule can beat until the last host has the image. With equal rates b:
 * F/b * (1 + floor(log2 N)/M) (Mundinger, Weber, Weiss 2008); in general also
 * max(F/u_seed, F/d, N*F/(u_seed + N*u)). Payload only: headers are not counted.
 */
export function lowerBound(plan: TransferPlan): number {
  const { imageBytes, hosts } = plan;
  if (hosts < 1 || imageBytes <= 0) return 0;
  const seed = plan.seedUpBytesPerSecond;
  const up = plan.hostUpBytesPerSecond;
  const down = plan.hostDownBytesPerSecond;
  const fluid = Math.max(
    imageBytes / seed,
    imageBytes / down,
    (hosts * imageBytes) / (seed + hosts * up),
  );
  // Whole pieces have to be passed on. That part holds for equal rates, and so for the fastest.
  const fastest = Math.max(seed, up, down);
  const rounds = 1 + Math.floor(Math.log2(hosts)) / Math.max(1, plan.pieceCount);
  return Math.max(fluid, (imageBytes / fastest) * rounds);
}
