import { median, spreadOf, toDigits, type Spread } from './statistics.ts';

/** Figures of several rounds: the medians, and beside them the least and largest of each. */
export type Medians<Figures extends object> = Figures & {
  readonly spread: Readonly<Partial<Record<keyof Figures, Spread>>>;
};

/** Rounds as their medians. @throws RangeError when there are none */
export function mediansOf<Figures extends object>(rounds: readonly Figures[]): Medians<Figures> {
  const names = Object.keys(rounds[0] ?? {}) as (keyof Figures)[];
  const columns = names.map((name) => {
    const values = rounds.map((round) => round[name] as number | undefined);
    return [name, values.filter((value) => value !== undefined)] as const;
  });
  return {
    ...(Object.fromEntries(columns.map(([name, values]) => [name, median(values)])) as Figures),
    spread: Object.fromEntries(
      columns.map(([name, values]) => [name, spreadOf(values)]),
    ) as Medians<Figures>['spread'],
  };
}

const digits = 4;

/** A result without the digits that mean nothing. */
export const shortened = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'number' ? toDigits(inner, digits) : inner,
    ),
  ) as T;
