import { ConfigError } from '../errors.ts';
import type { OriginBudget } from '../policy/index.ts';

const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1 << 10,
  MiB: 1 << 20,
  GiB: 1 << 30,
};

const bitUnits: Readonly<Record<string, number>> = {
  bit: 1 / 8,
  kbit: 1e3 / 8,
  Mbit: 1e6 / 8,
  Gbit: 1e9 / 8,
};

const timeUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/**
 * Reads a rate: `200Mbit`, `25MB`, `10MiB/s`; `unlimited` is Infinity.
 * @returns bytes per second
 * @throws ConfigError CONFIG_INVALID
 */
export function parseRate(text: string): number {
  if (text === 'unlimited') return Infinity;
  const units = { ...byteUnits, ...bitUnits };
  return parse(text.replace(/(\/s|ps)$/, ''), units, 'a rate like 200Mbit, 25MB/s or unlimited');
}

/** Reads a duration: `500ms`, `90s`, `10m`, `2h`. @returns milliseconds */
export function parseDuration(text: string): number {
  return parse(text, timeUnits, 'a duration like 500ms, 90s, 10m, 2h or 7d');
}

function parse(text: string, units: Readonly<Record<string, number>>, expected: string): number {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text);
  const factor = Object.entries(units).find(([unit]) => unit === match?.[2])?.[1];
  const value = Number(match?.[1]) * (factor ?? NaN);
  if (Number.isFinite(value) && value > 0) return value;
  throw new ConfigError('CONFIG_INVALID', `"${text}" is not ${expected}`);
}

/**
 * Reads how much may be taken from an origin: copies of the image (`1.5`), or bytes (`3GiB`).
 * @throws ConfigError CONFIG_INVALID
 */
export function parseOriginBudget(text: string): OriginBudget {
  if (/^\d{1,6}(?:\.\d+)?$/.test(text)) return { copies: Number(text) };
  const bytes = parse(text, byteUnits, 'a number of copies like 1.5, or bytes like 3GiB');
  return { bytes: Math.floor(bytes) };
}

/** Reads a whole number in a range. @throws ConfigError CONFIG_INVALID */
export function parseInteger(text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new ConfigError('CONFIG_INVALID', `"${text}" is not a whole number from ${min} to ${max}`);
}

export const parsePort = (text: string): number => parseInteger(text, 0, 65_535);

/** A size for people: `1.4 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A rate for people: `1.4 MiB/s`. Null, as in JSON, and Infinity are no limit. */
export const formatRate = (bytesPerSecond: number | null): string =>
  bytesPerSecond === null || bytesPerSecond === Infinity
    ? 'unlimited'
    : `${formatBytes(bytesPerSecond)}/s`;

/** A duration for people: `0.8 s`, `2 m 05 s`. */
export function formatDuration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, '0')} s`;
}

/**
 * Parses NAME=VALUE; the value may have more of these signs.
 * @param form how the two are called where it is none of these
 * @throws ConfigError CONFIG_INVALID
 */
export function parsePair(text: string, form = 'NAME=VALUE'): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new ConfigError('CONFIG_INVALID', `"${text}" is not ${form}`);
}
