import {
  deadlineOption,
  exitCode,
  jsonOption,
  Option,
  parseInteger,
  parseRate,
  runCommand,
  type Command,
  type CommandContext,
} from '../../src/cli/index.ts';
import { listOf, parseSize } from '../options.ts';
import { writeResults } from '../report/index.ts';
import { defaultConfig, quickConfig, type SwarmConfig } from './config.ts';
import { scenarios } from './scenario.ts';
import { resultChart, resultText } from './show-result.ts';
import { runSwarm } from './swarm.ts';

interface SwarmCommandOptions {
  readonly scenario?: readonly string[];
  readonly peers?: readonly string[];
  readonly rounds?: number;
  readonly size?: number;
  readonly rate?: number;
  readonly dir?: string;
  readonly quick?: boolean;
  readonly output: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
It needs root, for network namespaces; where it can have none, it says so and does nothing. Each peer
runs once a round, in turn. What is in each figure is in bench/README.md.

Examples:
  npm run bench -- swarm --quick
  npm run bench -- swarm --peers starling,libtorrent --scenario equal-16,two-racks --rounds 5
`;

export function addSwarmCommand(program: Command): void {
  const { peers } = defaultConfig;
  const names = scenarios.map(({ name }) => name);
  program
    .command('swarm')
    .description('how fast one image is on all hosts of a network, beside other programs')
    .addOption(new Option('--scenario <names>', `of ${names.join(', ')}`).argParser(listOf(names)))
    .addOption(new Option('--peers <names>', `of ${peers.join(', ')}`).argParser(listOf(peers)))
    .addOption(
      new Option('--rounds <count>', 'how often each runs').argParser((text) =>
        parseInteger(text, 1, 1_000),
      ),
    )
    .addOption(new Option('--size <size>', 'of the image, for instance 64MiB').argParser(parseSize))
    .addOption(
      new Option('--rate <rate>', 'of a link, each way, for instance 40Mbit').argParser(parseRate),
    )
    .addOption(new Option('--dir <directory>', "where the hosts' folders are made: in memory else"))
    .addOption(new Option('--quick', 'under a minute: ours and aria2c, a smaller image'))
    .addOption(
      new Option('--output <directory>', 'where JSON and chart are written').default(
        'bench-results',
      ),
    )
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: SwarmCommandOptions) =>
      runCommand(options, (context) => runSwarmCommand(options, context)),
    );
}

async function runSwarmCommand(
  options: SwarmCommandOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runSwarm(configOf(options), { signal, say });
  const { json, svg } = await writeResults(options.output, result, resultChart(result));
  output.line(`\nwritten: ${json}, ${svg}`);
  output.result(result, resultText(result));
  // They are in the result: it is still what is said last.
  if (result.failures.length > 0) process.exitCode = exitCode.failed;
}

function configOf(options: SwarmCommandOptions): SwarmConfig {
  const asked = {
    scenarios: options.scenario && scenarios.filter(({ name }) => options.scenario?.includes(name)),
    peers: options.peers,
    rounds: options.rounds,
    sizeBytes: options.size,
    rateBytesPerSecond: options.rate,
    directory: options.dir,
  };
  const given = Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== undefined),
  ) as Partial<SwarmConfig>;
  return { ...defaultConfig, ...(options.quick === true ? quickConfig : {}), ...given };
}
