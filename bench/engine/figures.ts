import { median, spreadOf, type Spread } from '../report/index.ts';

/** What one run of one peer showed. All are better when they are smaller but the first three. */
export interface Figures {
  /** Payload over the time from the fetcher's start until it was done; of several, until the last. */
  readonly mibPerSecond: number;
  /** The same by the program's own account, without its start. */
  readonly ownMibPerSecond?: number;
  /** The same until what was written was on disk, too. */
  readonly syncedMibPerSecond?: number;
  readonly seederCpuSecondsPerGib: number;
  readonly fetcherCpuSecondsPerGib: number;
  readonly seederPeakMib: number;
  readonly fetcherPeakMib: number;
  /** Of the fetcher's peak, what is no page of a file. */
  readonly fetcherPeakAnonymousMib: number;
}

export type FigureName = keyof Figures;

export type Medians = Figures & {
  readonly spread: Readonly<Partial<Record<FigureName, Spread>>>;
};

/** Rounds as their medians. @throws RangeError when there are none */
export function mediansOf(rounds: readonly Figures[]): Medians {
  const names = Object.keys(rounds[0] ?? {}) as FigureName[];
  const columns = names.map((name) => {
    const values = rounds.map((round) => round[name]).filter((value) => value !== undefined);
    return [name, values] as const;
  });
  return {
    ...(Object.fromEntries(
      columns.map(([name, values]) => [name, median(values)]),
    ) as unknown as Figures),
    spread: Object.fromEntries(columns.map(([name, values]) => [name, spreadOf(values)])),
  };
}
