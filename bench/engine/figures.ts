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
