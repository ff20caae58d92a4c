import {
  formatBytes,
  jsonOption,
  Option,
  runCommand,
  storeOption,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';
import { torrentTrackerOption } from './torrent-tracker-option.ts';

interface TorrentOptions {
  readonly v1?: boolean;
  readonly tracker?: readonly string[];
  readonly store: string;
  readonly output: string;
  readonly json?: boolean;
}

const examples = `
With --v1 the torrent has an info-hash of its own, also for a hybrid image, and a swarm of its own:
"seeder gateway" offers it of v2-only images. aria2c and transmission 3.00 need it, since they can't
read hybrids. It has no links: such clients would make empty files of them. Executables are marked,
and clients that don't know the mark write plain files.

Examples:
  seeder torrent baf5rei… --output hello.torrent --tracker http://tracker:7070/announce
  seeder torrent baf5rei… --v1 --output hello-v1.torrent
`;

export function addTorrentCommand(program: Command): void {
  program
    .command('torrent')
    .description('write the .torrent of an image, for BitTorrent clients')
    .argument('<image>', 'image id or magnet link of an image in the store')
    .addOption(new Option('--v1', 'for clients that know BitTorrent v1 only'))
    .addOption(torrentTrackerOption())
    .addOption(storeOption())
    .addOption(new Option('--output <file>', 'where it is written').makeOptionMandatory())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((image: string, options: TorrentOptions) =>
      runCommand(options, (context) => runTorrent(image, options, context)),
    );
}

async function runTorrent(
  argument: string,
  options: TorrentOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  output.line(`describing ${argument}`);
  const { storedImage } = await import('./image-argument.ts');
  const { torrentFileOf, writeTorrentFile } = await import('./torrent-file.ts');
  const image = await storedImage(argument, options.store);
  const bar = output.progress('hashing');
  try {
    const { bytes, infoHash, magnet } = await torrentFileOf(
      image,
      { v1: options.v1 === true, trackers: options.tracker ?? [] },
      {
        signal,
        onProgress: ({ bytesDone, bytesTotal }) => {
          bar.update(bytesDone, bytesTotal);
        },
      },
    );
    bar.stop();
    await writeTorrentFile(options.output, bytes);
    output.result(
      { id: image.imageId, v1: options.v1 === true, infoHash, magnet, torrent: options.output },
      `wrote ${options.output} (${formatBytes(bytes.length)})\n${infoHash}`,
    );
  } finally {
    bar.stop();
  }
}
