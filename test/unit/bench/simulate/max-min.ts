/**
 * Exact max-min fair rates by progressive filling: all rates grow together, and those that cross a
 * link that is full stay as they are. What the simulator's network is held against.
 *
 * @param paths the links that each flow crosses
 */
export function maxMinRates(capacities: readonly number[], paths: readonly number[][]): number[] {
  const rates = paths.map(() => 0);
  const free = [...capacities];
  const open = new Set(paths.keys());
  while (open.size > 0) {
    const counts = capacities.map(() => 0);
    for (const flow of open) for (const link of paths[flow] ?? []) counts[link]! += 1;
    const growth = Math.min(
      ...counts.flatMap((count, link) => (count === 0 ? [] : [free[link]! / count])),
    );
    for (const flow of open) {
      rates[flow]! += growth;
      for (const link of paths[flow] ?? []) free[link]! -= growth;
    }
    const full = (link: number) => free[link]! <= 1e-9 * capacities[link]!;
    for (const flow of [...open]) if (paths[flow]?.some(full) === true) open.delete(flow);
  }
  return rates;
}
