import { ConfigError } from '../errors.ts';
import {
  checkPlan,
  defaultRolloutPlan,
  planBounds,
  type Amount,
  type RolloutPlan,
} from './rollout-plan.ts';
import { minutesOfWeek, type MaintenanceWindow, type WeeklyInterval } from './rollout-window.ts';

/** A plan longer than this is not read. */
const maxTextLength = 16_384;

type Change = (plan: RolloutPlan, value: string) => Partial<RolloutPlan>;

const settings: Readonly<Record<string, Change>> = {
  waves: (_, value) => ({ waves: value.split(',').map(parseAmount) }),
  'max-unavailable': (_, value) => ({ maxUnavailable: parseAmount(value) }),
  gate: (_, value) => ({ gateMs: parseSpan(value) }),
  deadline: (_, value) => ({ deadlineMs: parseSpan(value) }),
  'abort-on': (_, value) => ({ abortOn: parseAmount(value) }),
  'go-back': (_, value) => ({ goBackOnAbort: parseYes(value) }),
  window: ({ windows }, value) => ({ windows: [...windows, parseWindow(value)] }),
};

/**
 * Reads a plan: `waves=1,10%,50%,100% max-unavailable=5% gate=60s deadline=10m abort-on=2% go-back=yes
 * window=zone:eu@Sat-Sun/02:00-06:00`. What it does not say is as in `defaultRolloutPlan`; `window` may be
 * said again and again.
 * @throws ConfigError CONFIG_INVALID
 */
export function parsePlan(text: string): RolloutPlan {
  if (text.length > maxTextLength) {
    throw invalid(`the plan has ${text.length} characters; at most ${maxTextLength} are read`);
  }
  let plan = defaultRolloutPlan;
  const said = new Set<string>();
  for (const part of text.split(/\s+/).filter((word) => word !== '')) {
    const [, name = '', value = ''] = /^([a-z-]+)=(.+)$/.exec(part) ?? [];
    const change = Object.hasOwn(settings, name) ? settings[name] : undefined;
    if (!change) {
      const names = Object.keys(settings).join(', ');
      throw invalid(`"${part}" is nothing that a rollout can be told; these are: ${names}`);
    }
    if (said.has(name) && name !== 'window') throw invalid(`"${name}" was said twice`);
    said.add(name);
    plan = { ...plan, ...change(plan, value) };
  }
  return checkPlan(plan);
}

/** Reads a number of hosts, `5`, or a share of them, `2.5%`. @throws ConfigError CONFIG_INVALID */
export function parseAmount(text: string): Amount {
  const [, digits, unit] = /^(\d{1,7}(?:\.\d{1,6})?)(%?)$/.exec(text) ?? [];
  const value = Number(digits);
  if (unit === '%' && value > 0 && value <= 100) return { percent: value };
  if (unit === '' && Number.isInteger(value) && value >= 1 && value <= planBounds.count) {
    return { count: value };
  }
  throw invalid(`"${text}" is not a number of hosts like 5, or a share of them like 10%`);
}

const spans: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function parseSpan(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})(ms|[smhd])$/.exec(text) ?? [];
  const span = Number(digits) * (spans[unit] ?? NaN);
  if (span <= planBounds.durationMs) return span;
  throw invalid(`"${text}" is not a time like 500ms, 60s, 10m, 2h or 7d, up to 30d`);
}

function parseYes(text: string): boolean {
  if (text === 'yes' || text === 'no') return text === 'yes';
  throw invalid(`"${text}" is neither yes nor no`);
}

const days = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const minutesOfDay = 1_440;

/**
 * Reads a window, `WHOM@DAYS/FROM-TO`, in UTC. WHOM is `*`, labels as `zone:eu+rack:r1`, or hosts as
 * `host:ID+host:ID`; DAYS are `Mon-Fri`, `Sat+Sun`, `Sun` or `*`; TO may be on the next day.
 */
function parseWindow(text: string): MaintenanceWindow {
  const [, whom = '', which = '', from = '', to = ''] =
    /^([^@]+)@([A-Za-z*+-]+)\/(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  const [fromMinute, toMinute] = [minuteOf(from), minuteOf(to)];
  const chosen = parseDays(which);
  if (chosen === undefined || fromMinute === undefined || toMinute === undefined) {
    throw invalid(`"${text}" is not a window like zone:eu@Sat+Sun/02:00-06:00`);
  }
  const lengthMinutes = toMinute - fromMinute + (toMinute > fromMinute ? 0 : minutesOfDay);
  const intervals = chosen.map((day): WeeklyInterval => {
    const start = day * minutesOfDay + fromMinute;
    return { fromMinute: start, toMinute: (start + lengthMinutes) % minutesOfWeek };
  });
  return { ...parseWhom(whom, text), intervals };
}

function parseWhom(whom: string, text: string): Omit<MaintenanceWindow, 'intervals'> {
  if (whom === '*') return {};
  const pairs = whom.split('+').map((pair): [string, string] => {
    const at = pair.indexOf(':');
    if (at > 0 && at < pair.length - 1) return [pair.slice(0, at), pair.slice(at + 1)];
    throw invalid(`"${text}": whom it is about is said as *, zone:eu+rack:r1, or host:ID`);
  });
  const hosts = pairs.flatMap(([name, value]) => (name === 'host' ? [value] : []));
  const labels = pairs.filter(([name]) => name !== 'host');
  if (hosts.length > planBounds.hostsOfWindow) {
    throw invalid(`a window names at most ${planBounds.hostsOfWindow} hosts`);
  }
  return {
    ...(hosts.length > 0 ? { hosts } : {}),
    ...(labels.length > 0 ? { labels: Object.fromEntries(labels) } : {}),
  };
}

function parseDays(text: string): number[] | undefined {
  if (text === '*') return days.map((_, day) => day);
  const chosen = new Set<number>();
  for (const part of text.split('+')) {
    const [from = -1, to = from, ...rest] = part.split('-').map((name) => days.indexOf(name));
    if (from < 0 || to < 0 || rest.length > 0) return undefined;
    for (let day = from; ; day = (day + 1) % days.length) {
      chosen.add(day);
      if (day === to) break;
    }
  }
  return [...chosen].sort((one, other) => one - other);
}

/** @returns undefined when it is no time of day; 24:00 is the next midnight */
function minuteOf(text: string): number | undefined {
  const [hours = NaN, minutes = NaN] = text.split(':').map(Number);
  const minute = hours * 60 + minutes;
  return minutes < 60 && minute <= minutesOfDay ? minute : undefined;
}

const invalid = (message: string): ConfigError => new ConfigError('CONFIG_INVALID', message);
