import { homedir } from 'node:os';
import { join } from 'node:path';
import { Option } from './program.ts';
import { parsePort, parseRate } from './units.ts';

/** Where images lie when nothing else is said: the user's data folder (XDG base directories). */
export function defaultStore(environment: NodeJS.ProcessEnv): string {
  const data = environment.XDG_DATA_HOME ?? join(homedir(), '.local', 'share');
  return join(data, 'starling', 'store');
}

export const storeOption = (): Option =>
  new Option('--store <directory>', 'where images lie')
    .env('STARLING_STORE')
    .default(defaultStore(process.env));

const collect = (value: string, before: string[] | undefined): string[] => [
  ...(before ?? []),
  value,
];

export const trackerOption = (): Option =>
  new Option('--tracker <url>', 'a tracker; may be given several times')
    .argParser(collect)
    .env('STARLING_TRACKER');

export const repeatable = (option: Option): Option => option.argParser(collect);

export const hostOption = (): Option =>
  new Option('--host <address>', 'listen for peers at this address')
    .env('STARLING_HOST')
    .default('0.0.0.0');

export const portOption = (): Option =>
  new Option('--port <port>', 'listen for peers at this port; 0: the system gives one')
    .argParser(parsePort)
    .env('STARLING_PORT')
    .default(0);

export const uploadLimitOption = (): Option =>
  new Option('--upload-limit <rate>', 'send no faster, for instance 200Mbit')
    .argParser(parseRate)
    .env('STARLING_UPLOAD_LIMIT')
    .default(Infinity, 'unlimited');

export const downloadLimitOption = (): Option =>
  new Option('--download-limit <rate>', 'receive no faster, for instance 200Mbit')
    .argParser(parseRate)
    .env('STARLING_DOWNLOAD_LIMIT')
    .default(Infinity, 'unlimited');

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logLevelOption = (): Option =>
  new Option('--log-level <level>', 'what is logged, as JSON, to stderr')
    .choices(logLevels)
    .env('STARLING_LOG_LEVEL')
    .default('warn');
