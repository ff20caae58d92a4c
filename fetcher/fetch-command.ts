import {
  addTransportOptions,
  addWebSeedOptions,
  appOption,
  deadlineOption,
  downloadLimitOption,
  formatBytes,
  formatDuration,
  hostOption,
  jsonOption,
  openTransport,
  Option,
  parsePort,
  portOption,
  repeatable,
  runCommand,
  trackerAuthoritiesOf,
  trackerCaOption,
  trackerOption,
  uploadLimitOption,
  type Command,
  type CommandContext,
  type TransportOptions,
  type WebSeedOptions,
  webSeedsOf,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { abortable } from './abortable.ts';
import { directoryOption } from './directory-option.ts';

interface FetchOptions extends TransportOptions, WebSeedOptions {
  readonly dir: string;
  readonly app?: readonly string[];
  readonly tracker?: readonly string[];
  readonly trackerCa?: string;
  readonly peer?: readonly string[];
  readonly torrent?: string;
  readonly v1Torrent?: string;
  readonly host: string;
  readonly port: number;
  readonly uploadLimit: number;
  readonly downloadLimit: number;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
The image is verified against its id, and not activated.

Examples:
  fetcher fetch baf5rei… --members members --tracker http://tracker:7070 --dir /var/lib/starling
  fetcher fetch baf5rei… --open --web-seed 'http://origin/store/{id}/'
  fetcher fetch 'magnet:?xt=urn:btmh:1220…' --open --peer 127.0.0.1:6881 --deadline 10m
  fetcher fetch --torrent hello.torrent --v1-torrent hello-v1.torrent --open --peer 127.0.0.1:6881
`;

export function addFetchCommand(program: Command): void {
  const command = program
    .command('fetch')
    .description('fetch one image into the store of this host, verified')
    .argument('[image]', 'image id or magnet link; with --torrent it may be left out');
  addWebSeedOptions(addTransportOptions(command))
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(repeatable(new Option('--peer <host:port>', 'a peer to connect to; several times')))
    .addOption(
      new Option(
        '--torrent <file>',
        'the .torrent of the image, v2 or hybrid: peers need not have it',
      ),
    )
    .addOption(
      new Option(
        '--v1-torrent <file>',
        'with --torrent and --open: its v1-only torrent; who has that is asked for blocks too',
      ),
    )
    .addOption(appOption())
    .addOption(directoryOption())
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(uploadLimitOption())
    .addOption(downloadLimitOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((image: string | undefined, options: FetchOptions) =>
      runCommand(options, (context) => runFetch(image, options, context)),
    );
}

async function runFetch(
  argument: string | undefined,
  options: FetchOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  output.line(`fetching ${argument ?? options.torrent ?? 'an image'}`);
  const { durable, ImageStore } = await import('../src/image/index.ts');
  const { Exchange } = await import('../src/swarm/index.ts');
  const { FetcherDirectory } = await import('./fetcher-directory.ts');
  const { readWantedImage } = await import('./wanted-image.ts');
  const wanted = await readWantedImage(argument, options);
  const { imageId } = wanted;
  const trackers = options.tracker ?? wanted.trackers;
  const peers = (options.peer ?? []).map(parseEndpoint);
  const webSeeds = webSeedsOf(options);
  if (trackers.length === 0 && peers.length === 0 && webSeeds.webSeeds.length === 0) {
    throw new ConfigError(
      'CONFIG_MISSING',
      'say whom to ask: --tracker URL, --peer HOST:PORT or --web-seed URL',
    );
  }
  const directory = new FetcherDirectory(options.dir);
  await using resources = new AsyncDisposableStack();
  resources.use(await directory.lock());
  const store = new ImageStore({ durability: durable }, { directory: directory.store });
  const onWarning = (message: string, error: unknown) => {
    output.line(`${message}: ${error instanceof Error ? error.message : String(error)}`);
  };
  const transport = await openTransport(options, directory.identity, resources, onWarning);
  const startedMs = performance.now();
  const bar = output.progress('fetching');
  const exchange = await Exchange.open(
    { store, durability: durable, random: Math.random, now: () => performance.now() },
    {
      ...transport,
      ...webSeeds,
      host: options.host,
      port: options.port,
      trackers,
      trackerAuthorities: await trackerAuthoritiesOf({ ...options, tracker: trackers }),
      uploadBytesPerSecond: options.uploadLimit,
      downloadBytesPerSecond: options.downloadLimit,
      onChange: ({ verifiedBytes, sizeBytes }) => {
        if (sizeBytes !== undefined) bar.update(verifiedBytes, sizeBytes);
      },
      onWarning,
    },
  );
  resources.use(exchange);
  try {
    const known = (await store.has(imageId)) ? await store.read(imageId) : undefined;
    const { app: apps } = options;
    const swarm =
      known === undefined
        ? exchange.fetch(imageId, { ...wanted, apps })
        : exchange.seed(known, { apps });
    for (const peer of peers) exchange.addEndpoint(imageId, peer);
    const image = await abortable(swarm.completed, signal);
    bar.stop();
    const tookMs = performance.now() - startedMs;
    const { sizeBytes = 0, receivedBytes, reusedBytes } = swarm.status();
    output.result(
      { id: imageId, tree: image.tree, bytes: sizeBytes, receivedBytes, reusedBytes, tookMs },
      `fetched ${image.metainfo.info.name}, ${formatBytes(sizeBytes)}, in ${formatDuration(tookMs)}\n${image.tree}`,
    );
  } finally {
    bar.stop();
  }
}

function parseEndpoint(text: string): { host: string; port: number } {
  const match = /^\[?([^\]]+)\]?:(\d+)$/.exec(text);
  if (match?.[1] !== undefined) return { host: match[1], port: parsePort(match[2] ?? '') };
  throw new ConfigError('CONFIG_INVALID', `"${text}" is not HOST:PORT`);
}
