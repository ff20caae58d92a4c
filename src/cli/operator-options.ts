import { readFile } from 'node:fs/promises';
import type { TrackerClient } from '../api/index.ts';
import { ConfigError } from '../errors.ts';
import { deadlineOption, jsonOption, Option, type Command } from './program.ts';
import { trackerCaOption, trackerOption } from './options.ts';

/** What an operator's command is told of the tracker that it calls. */
export interface OperatorOptions {
  readonly tracker?: readonly string[] | undefined;
  readonly trackerCa?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly deadline?: number | undefined;
  readonly json?: boolean | undefined;
}

export const tokenFileOption = (): Option =>
  new Option('--token-file <file>', "the file with the tracker's bearer token").env(
    'STARLING_TOKEN_FILE',
  );

/** Adds what says which tracker is called, and as whom. */
export const addOperatorOptions = (command: Command): Command =>
  command
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(tokenFileOption())
    .addOption(deadlineOption())
    .addOption(jsonOption());

/**
 * A client of the one tracker that was named, with the operator's token.
 * @throws ConfigError CONFIG_MISSING when there is none, or several, or no token
 */
export async function openOperatorClient(options: OperatorOptions): Promise<TrackerClient> {
  const [url, ...others] = options.tracker ?? [];
  if (url === undefined || others.length > 0) {
    throw new ConfigError('CONFIG_MISSING', 'give one tracker to call: --tracker URL');
  }
  if (options.tokenFile === undefined) {
    throw new ConfigError(
      'CONFIG_MISSING',
      "give the file with the tracker's bearer token: --token-file FILE; the tracker says where it is when it starts",
    );
  }
  const token = (await readOptionFile(options.tokenFile, 'the token file')).trim();
  const { openPinnedFetch, TrackerClient: Client } = await import('../api/index.ts');
  const { trackerCa } = options;
  const fetch = trackerCa === undefined ? undefined : await openPinnedFetch(trackerCa);
  return new Client({ fetch }, { url, token });
}

/** All items of a list that comes in pages. @param read the page after what the one before called next */
export async function readAll<Page extends { readonly next?: string | undefined }, Item>(
  read: (after: string | undefined) => Promise<Page>,
  itemsOf: (page: Page) => readonly Item[],
): Promise<Item[]> {
  const items: Item[] = [];
  let after: string | undefined;
  do {
    const page = await read(after);
    items.push(...itemsOf(page));
    after = page.next;
  } while (after !== undefined);
  return items;
}

/** Reads a small text file that an option names. @throws ConfigError CONFIG_MISSING */
export async function readOptionFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_MISSING', `${what} can't be read: ${why}`, { cause });
  }
}
