import type { OriginBudget } from '../src/policy/index.ts';
import {
  createProgram,
  jsonOption,
  logLevelOption,
  Option,
  parseDuration,
  parseInteger,
  parseOriginBudget,
  parsePort,
  runCommand,
  runProgram,
  starlingVersion,
  untilAborted,
  type Command,
  type LogLevel,
} from '../src/cli/index.ts';

interface ServeOptions {
  readonly dir: string;
  readonly root?: string;
  readonly host: string;
  readonly port: number;
  readonly announceInterval: number;
  readonly originAskers: number;
  readonly originBudget: OriginBudget;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const examples = `
Examples:
  tracker serve --dir /var/lib/starling-tracker --root root.json
  tracker serve --host 0.0.0.0 --port 7070
`;

/** The tracker program. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram(
    'tracker',
    'Coordinates swarms, and holds the signed releases.',
    starlingVersion,
  );
  addServe(program);
  program.addHelpText('after', examples);
  await runProgram(program, argv);
}

function addServe(program: Command): void {
  program
    .command('serve')
    .description('serve announces, releases and the REST interface until it is ended')
    .addOption(
      new Option('--dir <directory>', 'where root, releases and token are kept')
        .env('STARLING_TRACKER_DIR')
        .default('tracker-data'),
    )
    .addOption(
      new Option(
        '--root <file>',
        'the root.json that releases must verify against; kept at the first start',
      ).env('STARLING_ROOT'),
    )
    .addOption(
      new Option('--host <address>', 'listen at this address')
        .env('STARLING_TRACKER_HOST')
        .default('127.0.0.1'),
    )
    .addOption(
      new Option('--port <port>', 'listen at this port; 0: the system gives one')
        .argParser(parsePort)
        .env('STARLING_TRACKER_PORT')
        .default(7070),
    )
    .addOption(
      new Option('--announce-interval <duration>', 'how often peers are told to announce')
        .argParser(parseDuration)
        .env('STARLING_ANNOUNCE_INTERVAL')
        .default(30_000, '30s'),
    )
    .addOption(
      new Option(
        '--origin-askers <count>',
        'how many hosts may ask the web seed of an image at once',
      )
        .argParser((text: string) => parseInteger(text, 0, 1_000))
        .env('STARLING_TRACKER_ORIGIN_ASKERS')
        .default(3),
    )
    .addOption(
      new Option(
        '--origin-budget <amount>',
        'what all hosts together may take from the web seed of an image: copies, or bytes like 3GiB',
      )
        .argParser(parseOriginBudget)
        .env('STARLING_TRACKER_ORIGIN_BUDGET')
        .default({ copies: 1.5 }, '1.5'),
    )
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: ServeOptions) => serve(options));
}

async function serve(options: ServeOptions): Promise<void> {
  await runCommand({ json: options.json, endless: true }, async ({ output, signal }) => {
    output.line('the tracker starts');
    const { startTracker } = await import('./index.ts');
    await using tracker = await startTracker(
      {
        directory: options.dir,
        ...(options.root === undefined ? {} : { rootPath: options.root }),
        host: options.host,
        port: options.port,
        announceIntervalMs: options.announceInterval,
        originAskers: options.originAskers,
        originBudget: options.originBudget,
        logLevel: options.logLevel,
      },
      {},
      { signal },
    );
    const { url, tokenPath } = tracker;
    output.event(
      { event: 'listening', url, tokenPath },
      `the tracker listens at ${url}; the token of its REST interface is in ${tokenPath}`,
    );
    await untilAborted(signal);
    await tracker[Symbol.asyncDispose]();
    output.result({ event: 'ended', url }, 'the tracker has ended');
  });
}
