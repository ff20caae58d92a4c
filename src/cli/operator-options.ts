import { readFile } from 'node:fs/promises';
import type { TrackerClient } from '../api/index.ts';
import { ConfigError } from '../errors.ts';
import { deadlineOption, jsonOption, Option, type Command } from './program.ts';
import { tokenInClearOption, trackerCaOption, trackerOption } from './options.ts';

/** What an operator's command is told of the tracker that it calls. */
export interface OperatorOptions {
  readonly tracker?: readonly string[] | undefined;
  readonly trackerCa?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Whether the token may go over plain HTTP to another machine. */
  readonly tokenInClear?: boolean | undefined;
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
    .addOption(tokenInClearOption())
    .addOption(deadlineOption())
    .addOption(jsonOption());

/**
 * A client of the one tracker that was named, with the operator's token.
 * @throws ConfigError CONFIG_MISSING when there is none, or several, or no token; CONFIG_INVALID when the
 *   token would go over a network in the clear
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
  if (options.tokenInClear !== true) assertUnseen(url);
  const token = (await readOptionFile(options.tokenFile, 'the token file')).trim();
  const { openPinnedFetch, TrackerClient: Client } = await import('../api/index.ts');
  const { trackerCa } = options;
  const fetch = trackerCa === undefined ? undefined : await openPinnedFetch(trackerCa);
  return new Client({ fetch }, { url, token });
}

/** @throws ConfigError CONFIG_INVALID when whoever is on the way could read what is sent there */
function assertUnseen(text: string): void {
  const url = URL.parse(text);
  if (url?.protocol !== 'http:' || isThisMachine(url.hostname)) return;
  const what = `${url.origin} is another machine, and the token would go there in the clear`;
  const remedy = `give the tracker's https URL, with --tracker-ca if its certificate is its own, or, in a network that you trust, --token-in-clear`;
  throw new ConfigError('CONFIG_INVALID', `${what}: ${remedy}`, { evidence: { url: url.origin } });
}

/** As the URL standard writes them: 127.1 has become 127.0.0.1 by now. */
const isThisMachine = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);

/**
 * The certificates that are believed of trackers, in PEM; undefined where it is those that the system knows.
 * @throws ConfigError for a file that can't be used, or a tracker of which certificates would prove nothing
 */
export async function trackerAuthoritiesOf({
  tracker = [],
  trackerCa,
}: Pick<OperatorOptions, 'tracker' | 'trackerCa'>): Promise<string | undefined> {
  if (trackerCa === undefined) return undefined;
  const { assertSealed, readAuthorities } = await import('../api/index.ts');
  tracker.forEach(assertSealed);
  return await readAuthorities(trackerCa);
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
