import { ConfigError } from '../errors.ts';
import type { OriginBudget } from '../policy/index.ts';
import type { ExchangeInit } from '../swarm/index.ts';
import { repeatable } from './options.ts';
import { Option, type Command } from './program.ts';
import { parseOriginBudget } from './units.ts';

/** Where images also lie for HTTP, as a program's options say. */
export interface WebSeedOptions {
  readonly webSeed?: readonly string[];
  readonly originBudget?: OriginBudget;
}

/** Adds the options that name web seeds (BEP 19), and how much may be taken from them. */
export function addWebSeedOptions(command: Command): Command {
  return command
    .addOption(
      repeatable(
        new Option(
          '--web-seed <url>',
          'a web server that has the images, like http://origin/store/{id}/; several times',
        ).env('STARLING_WEB_SEED'),
      ),
    )
    .addOption(
      new Option(
        '--origin-budget <amount>',
        'what this host may take from web seeds where its tracker does not decide: copies, or bytes like 3GiB',
      )
        .argParser(parseOriginBudget)
        .env('STARLING_ORIGIN_BUDGET')
        .default(undefined, 'nothing; without any tracker all'),
    );
}

/**
 * Makes of the options what an exchange needs.
 * @throws ConfigError CONFIG_INVALID for a URL that can't be a web seed
 */
export function webSeedsOf(
  options: WebSeedOptions,
): Pick<ExchangeInit, 'webSeeds' | 'originBudget'> {
  const { webSeed: webSeeds = [], originBudget } = options;
  for (const url of webSeeds) assertWebSeed(url);
  return { webSeeds, originBudget };
}

function assertWebSeed(text: string): void {
  const refuse = (why: string) =>
    new ConfigError('CONFIG_INVALID', `"${text}" is no web seed, ${why}`);
  if (!URL.canParse(text)) throw refuse('for it is no URL: say http://origin/store/{id}/');
  const { protocol, search, hash } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:')
    throw refuse('for it is neither http nor https');
  if (search !== '' || hash !== '') throw refuse('for names are appended to it: leave out ? and #');
}
