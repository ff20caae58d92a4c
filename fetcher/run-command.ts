import { readFile } from 'node:fs/promises';
import {
  addJoinOptions,
  addTransportOptions,
  addWebSeedOptions,
  downloadLimitOption,
  hostOption,
  jsonOption,
  logLevelOption,
  openMembership,
  openTransport,
  Option,
  parseDuration,
  parseInteger,
  parsePair,
  portOption,
  repeatable,
  runCommand,
  trackerAuthoritiesOf,
  trackerCaOption,
  trackerOption,
  untilAborted,
  uploadLimitOption,
  type Command,
  type JoinOptions,
  type LogLevel,
  type CommandContext,
  type TransportOptions,
  type WebSeedOptions,
  webSeedsOf,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { directoryOption } from './directory-option.ts';
import { FetcherDirectory } from './fetcher-directory.ts';

interface RunOptions extends TransportOptions, WebSeedOptions, JoinOptions {
  readonly dir: string;
  readonly tracker?: readonly string[];
  readonly trackerCa?: string;
  readonly root?: string;
  readonly follow?: readonly string[];
  readonly supply?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly uploadLimit: number;
  readonly downloadLimit: number;
  readonly poll: number;
  readonly keep: number;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const examples = `
Examples:
  fetcher run --tracker http://tracker:7070 --root root.json --join "$(cat host.token)" --follow hello/stable
  fetcher run --tracker http://tracker:7070 --root root.json --members members --follow hello/stable
  fetcher run --tracker http://tracker:7070 --root root.json --members members \\
    --follow hello/stable --supply PORT=8080
`;

export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .description('follow channels, and keep this host at what they name, until it is ended');
  addJoinOptions(addWebSeedOptions(addTransportOptions(command)))
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(
      new Option('--root <file>', 'the root.json that is believed, and nothing else').env(
        'STARLING_ROOT',
      ),
    )
    .addOption(
      repeatable(
        new Option('--follow <app/channel>', 'a channel; may be given several times').env(
          'STARLING_FOLLOW',
        ),
      ),
    )
    .addOption(
      repeatable(
        new Option(
          '--supply <name=value>',
          'a value for what an image needs, where the fleet sets none; several times',
        ).env('STARLING_SUPPLY'),
      ),
    )
    .addOption(directoryOption())
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(uploadLimitOption())
    .addOption(downloadLimitOption())
    .addOption(
      new Option('--poll <duration>', 'how often the tracker is asked for news')
        .argParser(parseDuration)
        .env('STARLING_POLL')
        .default(5_000, '5s'),
    )
    .addOption(
      new Option('--keep <count>', 'how many older generations are kept beside the one before')
        .argParser((text: string) => parseInteger(text, 0, 1_000))
        .env('STARLING_KEEP')
        .default(1),
    )

    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: RunOptions) =>
      runCommand({ ...options, endless: true }, (context) => run(options, context)),
    );
}

async function run(options: RunOptions, { output, signal }: CommandContext): Promise<void> {
  output.line('the fetcher starts');
  const root = await readRoot(options.root);
  const trackerAuthorities = await trackerAuthoritiesOf(options);
  const supplies = new Map((options.supply ?? []).map((text) => parsePair(text)));
  const { pino } = await import('pino');
  const { parseChannelPath } = await import('../src/trust/index.ts');
  const { Fetcher } = await import('./fetcher.ts');
  const { EventReport } = await import('./event-report.ts');
  const { FleetDuties } = await import('./fleet/fleet-duties.ts');
  const follow = (options.follow ?? []).map(parseChannelPath);
  if (follow.length === 0) {
    throw new ConfigError('CONFIG_MISSING', 'say what to follow: --follow APP/CHANNEL');
  }
  const report = new EventReport({ output, now: () => performance.now() });
  const log = pino({ level: options.logLevel }, pino.destination({ fd: 2, sync: true }));
  await using resources = new AsyncDisposableStack();
  const { identity, fleet: directory } = new FetcherDirectory(options.dir);
  const own = { directory, identityPath: identity, log };
  const fleet = await openMembership(options, own, { signal });
  if (fleet !== undefined) resources.use(fleet);
  const onWarning = (message: string, error: unknown) => {
    log.warn({ err: error }, message);
  };
  const transport = await openTransport(options, identity, resources, onWarning, fleet?.seal);
  const fetcher = await Fetcher.start(
    {
      log,
      onEvent: (event) => {
        report.onEvent(event);
      },
      fleetTimeMs: fleet && (() => fleet.link.fleetTimeMs),
    },
    {
      directory: options.dir,
      trackers: options.tracker ?? [],
      trackerAuthorities,
      ...webSeedsOf(options),
      root,
      follow,
      supplies,
      transport,
      host: options.host,
      port: options.port,
      uploadBytesPerSecond: options.uploadLimit,
      downloadBytesPerSecond: options.downloadLimit,
      pollMs: options.poll,
      keepGenerations: options.keep,
    },
    { signal },
  );
  resources.use(fetcher);
  if (fleet !== undefined) {
    const { link } = fleet;
    link.follow(new FleetDuties({ fetcher, log, report }));
    fetcher.onReport((channel) => {
      link.report(channel);
    });
  }
  output.event(
    { event: 'running', port: fetcher.port, directory: options.dir },
    `following ${(options.follow ?? []).join(', ')}; peers connect to port ${fetcher.port}`,
  );
  await untilAborted(signal);
  await resources.disposeAsync();
  output.result({ event: 'ended' }, 'the fetcher has ended');
}

async function readRoot(path: string | undefined): Promise<string> {
  if (path === undefined) {
    throw new ConfigError('CONFIG_MISSING', 'give the root.json that is believed: --root FILE');
  }
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError('CONFIG_MISSING', `root.json can't be read: ${cause.message}`, { cause });
  });
}
