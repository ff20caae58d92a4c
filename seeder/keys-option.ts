import {
  Option,
  parseDuration,
  parseInteger,
  repeatable,
  tokenFileOption,
  tokenInClearOption,
  trackerCaOption,
  trackerOption,
  type Command,
} from '../src/cli/index.ts';

export const keysOption = (): Option =>
  new Option('--keys <directory>', 'where the keys and root.json are')
    .env('STARLING_KEYS')
    .default('starling-keys');

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

/** How many keys of a role must sign. */
export const thresholdOption = (what: string): Option =>
  new Option('--threshold <count>', what)
    .argParser((text: string) => parseInteger(text, 1, 64))
    .default(1);

export const expiresOption = (what: string): Option =>
  new Option('--expires <duration>', what).argParser(parseDuration);

/** What each command has that signs something and hands it to a tracker. */
export const addPublishOptions = (command: Command): Command =>
  command
    .addOption(keysOption())
    .addOption(rootOption())
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(tokenFileOption())
    .addOption(tokenInClearOption());
