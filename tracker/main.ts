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
  repeatable,
  runCommand,
  runProgram,
  starlingVersion,
  untilAborted,
  type Command,
  type LogLevel,
} from '../src/cli/index.ts';
import { addAuditCommand } from './audit/audit-command.ts';
import { ConfigError } from '../src/errors.ts';
import { addOperatorCommands, directoryOption } from './operator-commands.ts';
import { addEndpointCommands } from './fleet/endpoint-command.ts';
import { addFleetCommand } from './fleet/fleet-command.ts';
import { addMemberCommands, addTokenCommands } from './fleet/member-commands.ts';
import { addHostCommands, addRolloutCommands } from './fleet/rollout-commands.ts';

interface ServeOptions {
  readonly dir: string;
  readonly root?: string;
  readonly host: string;
  readonly port: number;
  readonly udpPort?: number;
  readonly udp: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly restPort?: number;
  readonly restInClear?: boolean;
  readonly controlHost?: string;
  readonly controlPort: number;
  readonly controlAnnounce?: readonly string[];
  readonly credentialTtl: number;
  readonly store?: string;
  readonly announceInterval: number;
  readonly maxAnnounceInterval: number;
  readonly announceRate: number;
  readonly originAskers: number;
  readonly originBudget: OriginBudget;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

const examples = `
Examples:
  tracker serve --dir /var/lib/starling-tracker --root root.json
  tracker serve --host 0.0.0.0 --port 7070 --tls-cert tracker.crt --tls-key tracker.key
  tracker operator create alice --ttl 90d
`;

const onlineKeyExamples = `
Root must name it: then a release is signed by the targets key, or a team's, alone, and what the tracker
signs again and again can't name an image.

Example:
  tracker online-key --dir /var/lib/starling-tracker
`;

/** The tracker program. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram(
    'tracker',
    'Coordinates swarms, and holds the signed releases.',
    starlingVersion,
  );
  addServe(program);
  addOnlineKey(program);
  addAuditCommand(program);
  addOperatorCommands(program);
  addFleetCommand(program);
  addTokenCommands(program);
  addMemberCommands(program);
  addEndpointCommands(program);
  addRolloutCommands(program);
  addHostCommands(program);
  program.addHelpText('after', examples);
  await runProgram(program, argv);
}

function addServe(program: Command): void {
  const command = program
    .command('serve')
    .description('serve announces, releases and the REST interface until it is ended')
    .addOption(directoryOption('where root, releases and tokens are kept'))
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
      new Option('--udp-port <port>', 'answer UDP announces at this port; else at that of --port')
        .argParser(parsePort)
        .env('STARLING_TRACKER_UDP_PORT'),
    )
    .addOption(new Option('--no-udp', 'answer no UDP announces'));
  addRestOptions(command);
  addControlOptions(command);
  addIntervalOptions(command);
  addOriginOptions(command);
  command
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: ServeOptions) => serve(options));
}

function addRestOptions(command: Command): void {
  command
    .addOption(
      new Option(
        '--tls-cert <file>',
        'the certificate chain, in PEM, by which the REST interface is served over TLS',
      ).env('STARLING_TRACKER_TLS_CERT'),
    )
    .addOption(
      new Option('--tls-key <file>', 'the key of the certificate, in PEM').env(
        'STARLING_TRACKER_TLS_KEY',
      ),
    )
    .addOption(
      new Option('--rest-port <port>', 'serve TLS at this port; else at that of --port')
        .argParser(parsePort)
        .env('STARLING_TRACKER_REST_PORT'),
    )
    .addOption(
      new Option(
        '--rest-in-clear',
        'take tokens over plain HTTP from other machines, in a network that you trust',
      ),
    );
}

function addControlOptions(command: Command): void {
  command
    .addOption(
      new Option(
        '--control-port <port>',
        'speak with the hosts of the fleet at this port, if the directory has a fleet.key',
      )
        .argParser(parsePort)
        .env('STARLING_TRACKER_CONTROL_PORT')
        .default(7071),
    )
    .addOption(
      new Option('--control-host <address>', 'at this IP address; else at that of --host').env(
        'STARLING_TRACKER_CONTROL_HOST',
      ),
    )
    .addOption(
      repeatable(
        new Option(
          '--control-announce <multiaddr>',
          "tell hosts this, like /dns4/tracker/tcp/7071, instead of this machine's addresses",
        ).env('STARLING_TRACKER_CONTROL_ANNOUNCE'),
      ),
    )
    .addOption(
      new Option('--credential-ttl <duration>', 'how long the credentials of members are good')
        .argParser(parseDuration)
        .env('STARLING_CREDENTIAL_TTL')
        .default(3_600_000, '1h'),
    )
    .addOption(
      new Option(
        '--store <url>',
        "where the fleet's state is: sqlite:PATH, or etcd://HOST:PORT,… for several trackers; else store.db in --dir",
      ).env('STARLING_TRACKER_STORE'),
    );
}

function addIntervalOptions(command: Command): void {
  command
    .addOption(
      new Option('--announce-interval <duration>', 'how often peers are told to announce')
        .argParser(parseDuration)
        .env('STARLING_ANNOUNCE_INTERVAL')
        .default(30_000, '30s'),
    )
    .addOption(
      new Option(
        '--max-announce-interval <duration>',
        'how long that may get while there are more announces than --announce-rate',
      )
        .argParser(parseDuration)
        .env('STARLING_MAX_ANNOUNCE_INTERVAL')
        .default(900_000, '15m'),
    )
    .addOption(
      new Option('--announce-rate <count>', 'announces a second that intervals aim to stay below')
        .argParser((text: string) => parseInteger(text, 1, 1_000_000))
        .env('STARLING_ANNOUNCE_RATE')
        .default(5_000),
    );
}

function addOriginOptions(command: Command): void {
  command
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
    );
}

function addOnlineKey(program: Command): void {
  program
    .command('online-key')
    .description(
      'make the key with which this tracker signs snapshot and timestamp, if there is none',
    )
    .addOption(directoryOption("the tracker's directory"))
    .addOption(jsonOption())
    .addHelpText('after', onlineKeyExamples)
    .action((options: { readonly dir: string; readonly json?: boolean }) =>
      runCommand(options, async ({ output }) => {
        const { openOnlineKey } = await import('../src/trust/index.ts');
        const { key, publicPath } = await openOnlineKey(`${options.dir}/online.key`);
        output.result(
          { publicKey: publicPath, keyId: key.key.keyID },
          `the public key is ${publicPath}; give it to "seeder keys init --online" or "seeder keys rotate online"`,
        );
      }),
    );
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
        udp: options.udp,
        ...(options.udpPort === undefined ? {} : { udpPort: options.udpPort }),
        ...restConfig(options),
        ...(options.store === undefined ? {} : { store: options.store }),
        control: {
          host: options.controlHost ?? options.host,
          port: options.controlPort,
          credentialMs: options.credentialTtl,
          ...(options.controlAnnounce === undefined
            ? {}
            : { announce: [...options.controlAnnounce] }),
        },
        announceIntervalMs: options.announceInterval,
        maxAnnounceIntervalMs: options.maxAnnounceInterval,
        targetAnnounceRate: options.announceRate,
        originAskers: options.originAskers,
        originBudget: options.originBudget,
        logLevel: options.logLevel,
      },
      {},
      { signal },
    );
    const { url, restUrl, udpPort, tokenPath, fleet } = tracker;
    const udp = udpPort === undefined ? '' : `, and at UDP port ${udpPort}`;
    output.event(
      {
        event: 'listening',
        url,
        restUrl,
        ...(udpPort === undefined ? {} : { udpPort }),
        tokenPath,
        ...(fleet === undefined ? {} : { fleetId: fleet.id, control: fleet.addresses }),
      },
      `the tracker listens at ${url}${udp}; its REST interface is at ${restUrl}, the token for it in ${tokenPath}`,
    );
    await untilAborted(signal);
    await tracker[Symbol.asyncDispose]();
    output.result({ event: 'ended', url }, 'the tracker has ended');
  });
}

/** @throws ConfigError for half of a certificate */
function restConfig({ tlsCert, tlsKey, restPort, restInClear = false }: ServeOptions) {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const missing = tlsCert === undefined ? '--tls-cert' : '--tls-key';
    throw new ConfigError('CONFIG_MISSING', `for TLS give ${missing} too`);
  }
  return {
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : { tls: { certPath: tlsCert, keyPath: tlsKey } }),
    ...(restPort === undefined ? {} : { restPort }),
    restInClear,
  };
}
