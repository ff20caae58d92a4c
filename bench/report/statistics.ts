/** The least and the largest of some figures. */
export interface Spread {
  readonly min: number;
  readonly max: number;
}

/** The middle one, or the mean of the two in the middle. @throws RangeError where there is none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('no figures, no median');
  return (lower + upper) / 2;
}

/** @throws RangeError where there is none */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no figures, no spread');
  return { min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The figure that so large a share of all does not pass: 0.99 for p99.
 * @throws RangeError where there is none
 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (found === undefined) throw new RangeError('no figures, no quantile');
  return found;
}

/** Figures by round. A round that failed has none. */
export type ByRound = ReadonlyMap<number, number>;

/**
 * How many times `ours` is `theirs`, in each round that has both: what slows a machine down for a
 * while then touches both sides of a ratio.
 */
export function ratiosByRound(ours: ByRound, theirs: ByRound): number[] {
  const ratios: number[] = [];
  for (const [round, own] of ours) {
    const other = theirs.get(round);
    if (other !== undefined && other > 0) ratios.push(own / other);
  }
  return ratios;
}

/** Rounded to so many significant digits: more would claim more than was measured. */
export const toDigits = (value: number, digits: number): number =>
  Number(value.toPrecision(digits));
