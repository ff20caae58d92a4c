import { homedir } from 'node:os';
import { join } from 'node:path';
import { Option } from './program.ts';
import { parsePort, parseRate } from './units.ts';

/** Our part of the user's data folder (XDG base directories). */
const dataFolder = (environment: NodeJS.ProcessEnv): string =>
  join(environment.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'starling');

/** Where images lie when nothing else is said. */
export const defaultStore = (environment: NodeJS.ProcessEnv): string =>
  join(dataFolder(environment), 'store');

/** Where the seeder's identity lies when nothing else is said. */
export const defaultIdentity = (environment: NodeJS.ProcessEnv): string =>
  join(dataFolder(environment), 'identity.key');

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

export const trackerCaOption = (): Option =>
  new Option(
    '--tracker-ca <file>',
    "believe only these certificates, in PEM, of the tracker's https: its own, or its authority's",
  ).env('STARLING_TRACKER_CA');

/** It lets whoever is on the way read a token. */
export const tokenInClearOption = (): Option =>
  turnedOnBy(
    new Option(
      '--token-in-clear',
      'send the token over plain HTTP to another machine too, where whoever is on the way can read it',
    ),
    'STARLING_TOKEN_IN_CLEAR',
  );

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

/** Without a default: each program has its own. */
export const identityOption = (): Option =>
  new Option('--identity <file>', 'the key by which others know this host; made when missing').env(
    'STARLING_IDENTITY',
  );

export const membersOption = (): Option =>
  new Option('--members <file>', 'who belongs to the fleet: one peer id a line').env(
    'STARLING_MEMBERS',
  );

export const fleetOption = (): Option =>
  new Option(
    '--fleet <id>',
    'members are who shows a credential of the fleet with this id, instead of --members',
  ).env('STARLING_FLEET');

export const credentialOption = (): Option =>
  new Option(
    '--credential <file>',
    "with --fleet: this host's credential; read again when it changes",
  ).env('STARLING_CREDENTIAL');

export const revocationsOption = (): Option =>
  new Option(
    '--revocations <file>',
    'with --fleet: who is not a member any more; read again when it changes',
  ).env('STARLING_REVOCATIONS');

/** What an image is of, where no release says so. */
export const appOption = (): Option =>
  repeatable(
    new Option(
      '--app <name>',
      'with --fleet: the app of the images; several times. Without, only who may have every app gets them',
    ).env('STARLING_APP'),
  );

const saysNo = new Set(['', '0', 'false', 'no', 'off']);

/**
 * Lets a variable turn a flag on. Of itself one that is there would, whatever it says; for a flag that
 * gives something away one that says no is left aside.
 */
function turnedOnBy(option: Option, variable: string): Option {
  const said = process.env[variable];
  return said !== undefined && saysNo.has(said.toLowerCase()) ? option : option.env(variable);
}

/** It lets strangers in. */
export const openOption = (): Option =>
  turnedOnBy(
    new Option('--open', 'also speak plain BitTorrent, to anybody who connects'),
    'STARLING_OPEN',
  );

export const openPortOption = (): Option =>
  new Option('--open-port <port>', 'with --open: listen for plain peers at this port')
    .argParser(parsePort)
    .env('STARLING_OPEN_PORT')
    .default(0, 'the system gives one');

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
