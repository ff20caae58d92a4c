import type { Limits, SwarmLimitChangeRequest } from '../src/api/index.ts';
import {
  deadlineOption,
  formatRate,
  jsonOption,
  Option,
  parseRate,
  runCommand,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { directoryOption } from './directory-option.ts';
import { openClient } from './local-client.ts';

interface LimitsOptions {
  readonly dir: string;
  readonly uploadLimit?: number;
  readonly downloadLimit?: number;
  readonly priority?: 'low' | 'normal' | 'high';
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
Without a limit or priority it shows those that hold. A change holds at once, and until the fetcher ends.

Examples:
  fetcher limits --dir /var/lib/starling
  fetcher limits --upload-limit 200Mbit --download-limit unlimited
  fetcher limits baf5rei… --priority high
`;

export function addLimitsCommand(program: Command): void {
  program
    .command('limits')
    .description('show or change how fast the running fetcher sends and receives')
    .argument('[image]', 'the image id of one swarm; without it all together')
    .addOption(rateOption('--upload-limit <rate>', 'send no faster'))
    .addOption(rateOption('--download-limit <rate>', 'receive no faster'))
    .addOption(
      new Option(
        '--priority <priority>',
        'of one image, compared with others being fetched',
      ).choices(['low', 'normal', 'high']),
    )
    .addOption(directoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((image: string | undefined, options: LimitsOptions) =>
      runCommand(options, (context) => runLimits(image, options, context)),
    );
}

/** Not by a variable: one that is set for `fetcher run` would change limits where they are asked for. */
const rateOption = (flags: string, description: string): Option =>
  new Option(flags, `${description}, for instance 200Mbit, or unlimited`).argParser(parseRate);

async function runLimits(
  image: string | undefined,
  options: LimitsOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  const change = changeOf(options);
  const { priority, ...rates } = change;
  if (image === undefined && priority !== undefined) {
    throw new ConfigError('CONFIG_INVALID', '--priority is that of one image: say which');
  }
  const client = await openClient(options.dir);
  const isChange = Object.keys(change).length > 0;
  const limits = !isChange
    ? await client.limits({ signal })
    : image === undefined
      ? await client.setLimits(rates, { signal })
      : await client.setSwarmLimits(image, change, { signal });
  if (limits === undefined) {
    const message = `no fetcher runs in ${options.dir}; limits are those of one that runs`;
    throw new ConfigError('CONFIG_MISSING', message);
  }
  if (image === undefined) {
    output.result(limits, limitsText(limits));
    return;
  }
  const swarm = limits.swarms.find(({ imageId }) => imageId === image);
  if (swarm === undefined) {
    throw new ConfigError('CONFIG_INVALID', `the image ${image} is in no swarm of this host`);
  }
  output.result(swarm, swarmText(swarm));
}

/** What is to be changed, and nothing else. */
function changeOf({
  uploadLimit,
  downloadLimit,
  priority,
}: LimitsOptions): SwarmLimitChangeRequest {
  return {
    ...(uploadLimit === undefined ? {} : { uploadBytesPerSecond: finite(uploadLimit) }),
    ...(downloadLimit === undefined ? {} : { downloadBytesPerSecond: finite(downloadLimit) }),
    ...(priority === undefined ? {} : { priority }),
  };
}

const finite = (rate: number): number | null => (rate === Infinity ? null : rate);

type Rates = Pick<Limits, 'uploadBytesPerSecond' | 'downloadBytesPerSecond'>;

const ratesText = ({ uploadBytesPerSecond: up, downloadBytesPerSecond: down }: Rates): string =>
  `upload ${formatRate(up)}, download ${formatRate(down)}`;

const swarmText = (swarm: Limits['swarms'][number]): string =>
  `${swarm.name ?? swarm.imageId}: priority ${swarm.priority}, ${ratesText(swarm)}`;

const limitsText = (limits: Limits): string =>
  [`all together: ${ratesText(limits)}`, ...limits.swarms.map(swarmText)].join('\n');
