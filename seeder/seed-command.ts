import {
  addJoinOptions,
  addTransportOptions,
  appOption,
  defaultIdentity,
  formatBytes,
  hostOption,
  jsonOption,
  openMembership,
  openTransport,
  Option,
  portOption,
  runCommand,
  storeOption,
  trackerAuthoritiesOf,
  trackerCaOption,
  trackerOption,
  untilAborted,
  uploadLimitOption,
  type Command,
  type CommandContext,
  type JoinOptions,
  type TransportOptions,
} from '../src/cli/index.ts';
import type { FleetListener, FleetLog } from '../src/control/index.ts';
import { ConfigError } from '../src/errors.ts';
import type { SwarmStatus } from '../src/swarm/index.ts';

interface SeedOptions extends TransportOptions, JoinOptions {
  readonly store: string;
  readonly app?: readonly string[];
  readonly tracker?: readonly string[];
  readonly trackerCa?: string;
  readonly host: string;
  readonly port: number;
  readonly uploadLimit: number;
  readonly v1?: boolean;
  readonly json?: boolean;
}

const examples = `
Without images, all images of the store are seeded.

Examples:
  seeder seed --join "$(cat seeder.token)" --app hello --tracker http://tracker:7070
  seeder seed --members members --tracker http://tracker:7070
  seeder seed --fleet 12D3Koo… --credential seeder.credential --app hello --tracker http://tracker:7070
  seeder seed baf5rei… --members members --tracker http://tracker:7070 --upload-limit 2Gbit
`;

export function addSeedCommand(program: Command): void {
  const command = program
    .command('seed')
    .description('serve images to the swarm until it is ended')
    .argument('[images...]', 'image ids or magnet links');
  addJoinOptions(addTransportOptions(command))
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(storeOption())
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(appOption())
    .addOption(uploadLimitOption())
    .addOption(
      new Option('--v1', 'with --open: serve the torrents of `seeder torrent --v1` too').env(
        'STARLING_V1',
      ),
    )
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((images: string[], options: SeedOptions) =>
      runCommand({ ...options, endless: true }, (context) => runSeed(images, options, context)),
    );
}

async function runSeed(
  images: readonly string[],
  options: SeedOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  output.line('the seeder starts');
  const { durable, ImageStore, makeV1Torrent } = await import('../src/image/index.ts');
  const { Exchange } = await import('../src/swarm/index.ts');
  const { imageIdOfArgument } = await import('./image-argument.ts');
  const store = new ImageStore({ durability: durable }, { directory: options.store });
  const ids = images.length > 0 ? images.map(imageIdOfArgument) : await store.list();
  if (ids.length === 0) {
    throw new ConfigError('CONFIG_MISSING', `the store ${options.store} has no images to seed`);
  }
  const stored = await Promise.all(ids.map((id) => store.read(id)));
  const onWarning = (message: string, error: unknown) => {
    output.line(`${message}: ${error instanceof Error ? error.message : String(error)}`);
  };
  await using resources = new AsyncDisposableStack();
  const identity = defaultIdentity(process.env);
  const membership = await openMembership(
    options,
    {
      directory: `${options.identity ?? identity}.fleet`,
      identityPath: identity,
      log: logTo(output),
    },
    { signal },
  );
  if (membership !== undefined) resources.use(membership);
  const transport = await openTransport(options, identity, resources, onWarning, membership?.seal);
  const trackerAuthorities = await trackerAuthoritiesOf(options);
  const exchange = await Exchange.open(
    { store, durability: durable, random: Math.random, now: () => performance.now() },
    {
      ...transport,
      host: options.host,
      port: options.port,
      trackers: options.tracker ?? [],
      trackerAuthorities,
      uploadBytesPerSecond: options.uploadLimit,
      onWarning,
      onChange: outTeller(output),
    },
  );
  resources.use(exchange);
  const swarms = stored.map((image) => exchange.seed(image, { apps: options.app }));
  if (options.v1 === true && options.open === true) {
    for (const image of stored) exchange.seedV1(image, await makeV1Torrent(image, {}, { signal }));
  }
  output.event(
    {
      event: 'seeding',
      host: options.host,
      port: exchange.port,
      openPort: exchange.openPort,
      images: ids,
    },
    `seeding ${ids.length} image${ids.length === 1 ? '' : 's'} at port ${exchange.port}`,
  );
  membership?.link.follow(onlyBelongs);
  await untilAborted(signal);
  // The last counters come when the connections are closed.
  await exchange[Symbol.asyncDispose]();
  const sentBytes = swarms.reduce((sum, swarm) => sum + swarm.status().sentBytes, 0);
  output.result(
    { event: 'ended', sentBytes, images: ids },
    `ended; sent ${formatBytes(sentBytes)}`,
  );
}

/** Says once of each image that others have each piece of it. */
function outTeller(output: CommandContext['output']): (status: SwarmStatus) => void {
  const told = new Set<string>();
  return ({ imageId, name, isOut }) => {
    if (!isOut || told.has(imageId)) return;
    told.add(imageId);
    output.event(
      { event: 'out', imageId },
      `each piece of ${name ?? imageId} is at another host: it would spread without this seeder now`,
    );
  };
}

/** A seeder follows nothing: its session is for its credential, and for who is revoked. */
const onlyBelongs: FleetListener = {
  follows: [],
  settingsRevisions: () => ({}),
  onSettings: () => undefined,
  onPermits: () => undefined,
  onPreheat: () => undefined,
  onNews: () => undefined,
  onConnected: () => undefined,
};

/** What matters of the control plane, as lines. */
const logTo = (output: CommandContext['output']): FleetLog => {
  const say = (_details: object, message: string) => {
    output.line(message);
  };
  return { debug: () => undefined, info: say, warn: say, error: say };
};
