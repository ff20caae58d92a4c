import { readFile } from 'node:fs/promises';
import {
  Option,
  parseDuration,
  repeatable,
  trackerOption,
  type Command,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

export const keysOption = (): Option =>
  new Option('--keys <directory>', 'where the keys and root.json are')
    .env('STARLING_KEYS')
    .default('starling-keys');

export const tokenFileOption = (): Option =>
  new Option('--token-file <file>', "the file with the tracker's bearer token").env(
    'STARLING_TOKEN_FILE',
  );

export const rootOption = (): Option =>
  new Option('--root <file>', 'the root.json, if it is not in the directory of the keys');

/** A private key that signs; `flag` where another `--key` is about something else. */
export const signingKeyOption = (flag = '--key'): Option =>
  repeatable(
    new Option(
      `${flag} <file>`,
      'sign with this private key in the place of those in the directory; several times',
    ),
  );

export const outOption = (): Option =>
  new Option(
    '--out <file>',
    'push nothing, but write what was signed into this file, for others to sign too',
  );

export const expiresOption = (what: string): Option =>
  new Option('--expires <duration>', what).argParser(parseDuration);

/** What each command has that signs something and hands it to a tracker. */
export const addPublishOptions = (command: Command): Command =>
  command
    .addOption(keysOption())
    .addOption(rootOption())
    .addOption(trackerOption())
    .addOption(tokenFileOption());

/** Reads a small text file that an option names. @throws ConfigError CONFIG_MISSING */
export async function readOptionFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_MISSING', `${what} can't be read: ${why}`, { cause });
  }
}
