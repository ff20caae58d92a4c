/** Part of every week, in minutes from Monday 00:00 UTC; over the end of the week when `to` is not after `from`. */
export interface WeeklyInterval {
  /** 0 to 10,079; the first minute that belongs to it. */
  readonly fromMinute: number;
  /** 0 to 10,080; the first minute that does not. */
  readonly toMinute: number;
}

/** When some hosts may move. One that names neither hosts nor labels is about all. */
export interface MaintenanceWindow {
  readonly hosts?: readonly string[] | undefined;
  /** All of them must be the host's. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly intervals: readonly WeeklyInterval[];
}

/** Who is asked about. */
export interface WindowedHost {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

export const minutesOfWeek = 7 * 1_440;
/** 1 January 1970 was a Thursday. */
const epochMinute = 3 * 1_440;

/** Whether a host may move now: some window that is about it is open, or there is none about it. */
export function isWindowOpen(
  windows: readonly MaintenanceWindow[],
  host: WindowedHost,
  nowMs: number,
): boolean {
  const about = windows.filter((window) => isAbout(window, host));
  const minute = minuteOfWeek(nowMs);
  return (
    about.length === 0 ||
    about.some(({ intervals }) => intervals.some((interval) => contains(interval, minute)))
  );
}

/** When the next interval that is about a host begins, in milliseconds; undefined: there is none. */
export function nextOpeningMs(
  windows: readonly MaintenanceWindow[],
  host: WindowedHost,
  nowMs: number,
): number | undefined {
  const minute = minuteOfWeek(nowMs);
  const about = windows.filter((window) => isAbout(window, host));
  const waits = about.flatMap(({ intervals }) =>
    intervals.map(({ fromMinute }) => (fromMinute - minute + minutesOfWeek) % minutesOfWeek),
  );
  if (waits.length === 0) return undefined;
  // One that begins in this very week's minute is open already, or comes again in a week.
  const wait = Math.min(...waits.map((minutes) => (minutes <= 0 ? minutesOfWeek : minutes)));
  return Math.ceil(nowMs + wait * 60_000);
}

const minuteOfWeek = (nowMs: number): number => (nowMs / 60_000 + epochMinute) % minutesOfWeek;

function contains({ fromMinute, toMinute }: WeeklyInterval, minute: number): boolean {
  if (fromMinute < toMinute) return minute >= fromMinute && minute < toMinute;
  return minute >= fromMinute || minute < toMinute;
}

function isAbout({ hosts, labels }: MaintenanceWindow, host: WindowedHost): boolean {
  if (hosts === undefined && labels === undefined) return true;
  if (hosts?.includes(host.id)) return true;
  if (labels === undefined) return false;
  return Object.entries(labels).every(([label, value]) => host.labels[label] === value);
}
