import {
  formatBytes,
  jsonOption,
  runCommand,
  storeOption,
  type Command,
} from '../src/cli/index.ts';
import type { ImageDescription } from '../src/image/index.ts';

interface InspectOptions {
  readonly store: string;
  readonly json?: boolean;
}

const examples = `
Examples:
  seeder inspect baf5rei…
  seeder inspect ./some.torrent --json
`;

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .description('tell what an image of the store, or a .torrent file, is')
    .argument('<image>', 'image id, magnet link, or .torrent file')
    .addOption(storeOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((image: string, options: InspectOptions) =>
      runCommand(options, async ({ output }) => {
        const { describeImage } = await import('./image-argument.ts');
        const description = await describeImage(image, options.store);
        output.result(description, textOf(description));
      }),
    );
}

function textOf(image: Partial<ImageDescription>): string {
  const rows: [string, string | number | boolean | undefined][] = [
    ['image', image.id],
    ['name', image.name],
    ['version', image.version],
    ['kind', image.kind],
    ['size', image.bytes === undefined ? undefined : formatBytes(image.bytes)],
    ['files', image.files],
    ['links', image.links],
    ['piece size', formatBytes(image.pieceSizeBytes ?? 0)],
    ['pieces', image.pieces],
    ['start', image.start?.join(' ')],
    ['health', image.health?.type],
    ['needs', image.needs?.join(', ')],
    ['info-hash', image.infoHash],
    ['v1 info-hash', image.v1InfoHash],
    ['magnet', image.magnet],
    ['tree', image.tree],
  ];
  return rows
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name.padEnd(13)}${String(value)}`)
    .join('\n');
}
