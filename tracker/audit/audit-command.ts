import {
  jsonOption,
  Option,
  parseInteger,
  runCommand,
  type Command,
  type CommandContext,
} from '../../src/cli/index.ts';
import { ConfigError } from '../../src/errors.ts';
import type { ReadStore } from '../store/index.ts';
import type { AuditEntry, AuditHead } from './audit-entry.ts';

interface StoreOptions {
  readonly dir: string;
  readonly store?: string;
  readonly json?: boolean;
}

interface ListOptions extends StoreOptions {
  readonly after?: number;
  readonly limit: number;
}

const examples = `
Both may be used while the tracker runs. Note the last entry elsewhere now and then: somebody who can write
to the store can write the whole log anew, and only a note of before shows it.

Examples:
  tracker audit list --limit 20
  tracker audit verify
  tracker audit verify --anchor 412:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
`;

/** `tracker audit verify` and `tracker audit list`. */
export function addAuditCommand(program: Command): void {
  const audit = program
    .command('audit')
    .description('read the audit log: who did what to the fleet, when')
    .addHelpText('after', examples);
  addStoreOptions(
    audit
      .command('verify')
      .addHelpText('after', examples)
      .description('check that no entry was changed, removed or moved')
      .addOption(
        new Option('--anchor <number:hash>', 'an entry as it was noted before').argParser(
          parseAnchor,
        ),
      ),
  ).action((options: StoreOptions & { readonly anchor?: AuditHead }) =>
    withStore(options, async (store, { output, signal }) => {
      const { verifyAudit } = await import('./verify-audit.ts');
      const head = await verifyAudit(store, { anchor: options.anchor, signal });
      output.result(
        { entries: head?.sequence ?? 0, head: head ?? null },
        head === undefined
          ? 'the audit log is empty'
          : `${head.sequence} entries, none changed, missing or moved; the last one is ${head.sequence}:${head.hash}`,
      );
    }),
  );
  addStoreOptions(
    audit
      .command('list')
      .addHelpText('after', examples)
      .description('print entries, oldest first; the newest ones if nothing else is said')
      .addOption(numberOption('--after <number>', 'begin behind this entry', 0))
      .addOption(numberOption('--limit <count>', 'print at most so many', 1).default(50)),
  ).action((options: ListOptions) =>
    withStore(options, async (store, { output, signal }) => {
      const entries = await readEntries(store, options, signal);
      output.result({ entries }, entries.map(lineOf).join('\n'));
    }),
  );
}

function addStoreOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--dir <directory>', "the tracker's directory")
        .env('STARLING_TRACKER_DIR')
        .default('tracker-data'),
    )
    .addOption(
      new Option(
        '--store <url>',
        'sqlite:PATH or etcd://HOST:PORT,…/PREFIX; without: the store in --dir',
      ).env('STARLING_STORE'),
    )
    .addOption(jsonOption());
}

const numberOption = (flags: string, description: string, least: number): Option =>
  new Option(flags, description).argParser((text: string) =>
    parseInteger(text, least, least === 0 ? Number.MAX_SAFE_INTEGER : 1_000),
  );

function withStore(
  options: StoreOptions,
  work: (store: ReadStore, context: CommandContext) => Promise<void>,
): Promise<void> {
  return runCommand(options, async (context) => {
    const { openStoreForReading, storeUrlIn } = await import('../store/index.ts');
    await using store = await openStoreForReading(options.store ?? storeUrlIn(options.dir));
    await work(store, context);
  });
}

async function readEntries(
  store: ReadStore,
  { after, limit }: ListOptions,
  signal: AbortSignal,
): Promise<AuditEntry[]> {
  const { listAudit, readHead } = await import('./verify-audit.ts');
  const newest = (await readHead(store, signal))?.sequence ?? 0;
  return await listAudit(store, { after: after ?? Math.max(newest - limit, 0), limit, signal });
}

/** What strangers sent may hold what a terminal would obey. */
function lineOf(entry: AuditEntry): string {
  const { sequence, at, actor, action, subject, outcome, detail } = entry;
  const words = [actor, action, subject].map((text) => JSON.stringify(text).slice(1, -1));
  const more = detail === undefined ? '' : ` ${JSON.stringify(detail)}`;
  return `${sequence} ${at} ${words.join(' ')} ${outcome}${more}`;
}

function parseAnchor(text: string): AuditHead {
  const [, sequence, hash] = /^(\d{1,13}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence !== undefined && hash !== undefined) return { sequence: Number(sequence), hash };
  throw new ConfigError(
    'CONFIG_INVALID',
    `${JSON.stringify(text)} is no NUMBER:HASH as audit verify prints it`,
  );
}
