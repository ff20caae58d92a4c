import {
  formatBytes,
  hostOption,
  jsonOption,
  Option,
  parsePort,
  portOption,
  runCommand,
  storeOption,
  untilAborted,
  uploadLimitOption,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';
import { torrentTrackerOption } from './torrent-tracker-option.ts';

interface GatewayOptions {
  readonly store: string;
  readonly tracker?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly websocketTracker?: number;
  readonly uploadLimit: number;
  readonly json?: boolean;
}

const examples = `
Hybrid images are offered as what v1 clients see of them; others by the torrent that
"seeder torrent --v1" writes. Browsers need a WebSocket tracker (ws:// or wss://), this one or another.

Examples:
  seeder gateway baf5rei… --websocket-tracker 8000
  seeder gateway baf5rei… --tracker http://tracker.example:6969/announce --upload-limit 1Gbit
`;

export function addGatewayCommand(program: Command): void {
  program
    .command('gateway')
    .description('offer images to ordinary BitTorrent clients and to browsers until it is ended')
    .argument('<images...>', 'image ids or magnet links')
    .addOption(storeOption())
    .addOption(torrentTrackerOption())
    .addOption(hostOption())
    .addOption(portOption())
    .addOption(
      new Option('--websocket-tracker <port>', 'also run a tracker for browsers at this port')
        .argParser(parsePort)
        .env('STARLING_WEBSOCKET_TRACKER'),
    )
    .addOption(uploadLimitOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((images: string[], options: GatewayOptions) =>
      runCommand({ ...options, endless: true }, (context) => runGateway(images, options, context)),
    );
}

async function runGateway(
  images: readonly string[],
  options: GatewayOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  output.line('the gateway starts');
  const { durable, ImageStore } = await import('../src/image/index.ts');
  const { imageIdOfArgument } = await import('./image-argument.ts');
  const { startGateway } = await import('./gateway/gateway.ts');
  await using gateway = await startGateway(
    { store: new ImageStore({ durability: durable }, { directory: options.store }) },
    {
      images: images.map(imageIdOfArgument),
      host: options.host,
      port: options.port,
      trackers: options.tracker ?? [],
      websocketTrackerPort: options.websocketTracker,
      uploadBytesPerSecond: options.uploadLimit,
      onWarning: (message, error) => {
        output.line(`${message}: ${error instanceof Error ? error.message : String(error)}`);
      },
    },
    { signal },
  );
  const { port, websocketTracker, webRtc, torrents } = gateway;
  output.event(
    { event: 'gateway', host: options.host, port, websocketTracker, webRtc, torrents },
    [
      `offering ${torrents.length} image${torrents.length === 1 ? '' : 's'} at port ${port}`,
      ...(websocketTracker === undefined ? [] : [`tracker for browsers: ${websocketTracker}`]),
      ...torrents.map(({ magnet }) => magnet),
    ].join('\n'),
  );
  await untilAborted(signal);
  const { sentBytes } = gateway;
  await gateway[Symbol.asyncDispose]();
  output.result(
    { event: 'ended', sentBytes, images: torrents.map(({ id }) => id) },
    `ended; sent ${formatBytes(sentBytes)}`,
  );
}
