import {
  deadlineOption,
  formatBytes,
  formatDuration,
  jsonOption,
  Option,
  runCommand,
  storeOption,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';

interface BakeOptions {
  readonly name?: string;
  readonly version?: string;
  readonly kind?: 'tree' | 'oci' | 'disk';
  readonly store: string;
  readonly hybrid?: boolean;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
The directory may hold a manifest, .starling/image.json, that says how to start the application and
how to tell that it is healthy; --name and --version replace what it says.

Examples:
  seeder bake ./build --name hello --version 1.4.2
  seeder bake ./rootfs --name base --version 12 --kind disk --no-hybrid --json
`;

export function addBakeCommand(program: Command): void {
  program
    .command('bake')
    .description('bake a directory into an image; the same directory gives the same id everywhere')
    .argument('<directory>', 'what to bake')
    .addOption(new Option('--name <name>', "the image's name"))
    .addOption(new Option('--version <version>', "the image's version"))
    .addOption(new Option('--kind <kind>', 'what it holds').choices(['tree', 'oci', 'disk']))
    .addOption(new Option('--hybrid', 'let BitTorrent v1 clients join, whatever padding costs'))
    .addOption(new Option('--no-hybrid', 'BitTorrent v2 only'))
    .addOption(storeOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((directory: string, options: BakeOptions) =>
      runCommand(options, (context) => runBake(directory, options, context)),
    );
}

async function runBake(
  path: string,
  options: BakeOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  output.line(`baking ${path}`);
  const { bake, durable, ImageStore, inspect } = await import('../src/image/index.ts');
  const startedMs = performance.now();
  const store = new ImageStore({ durability: durable }, { directory: options.store });
  const bar = output.progress('baking');
  try {
    const image = await bake(
      { store, durability: durable },
      {
        path,
        name: options.name,
        version: options.version,
        kind: options.kind,
        hybrid: options.hybrid,
      },
      {
        signal,
        onProgress: ({ bytesDone, bytesTotal }) => {
          bar.update(bytesDone, bytesTotal);
        },
      },
    );
    bar.stop();
    const description = await inspect(image);
    const took = formatDuration(performance.now() - startedMs);
    const size = `${description.files} files, ${formatBytes(description.bytes)}`;
    output.result(
      description,
      `baked ${description.name} ${description.version}: ${size} in ${took}\n${description.id}`,
    );
  } finally {
    bar.stop();
  }
}
