import {
  Option,
  parseRate,
  runCommand,
  type Command,
  type CommandContext,
} from '../../src/cli/index.ts';
import { addResultOptions, countOption, given, listOf, parseSize, tellResult } from '../options.ts';
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
  const command = program
    .command('swarm')
    .description('how fast one image is on all hosts of a network, beside other programs')
    .addOption(new Option('--scenario <names>', `of ${names.join(', ')}`).argParser(listOf(names)))
    .addOption(new Option('--peers <names>', `of ${peers.join(', ')}`).argParser(listOf(peers)))
    .addOption(countOption('--rounds <count>', 'how often each runs', 1_000))
    .addOption(new Option('--size <size>', 'of the image, for instance 64MiB').argParser(parseSize))
    .addOption(
      new Option('--rate <rate>', 'of a link, each way, for instance 40Mbit').argParser(parseRate),
    )
    .addOption(new Option('--dir <directory>', "where the hosts' folders are made: in memory else"))
    .addOption(new Option('--quick', 'under a minute: ours and aria2c, a smaller image'));
  addResultOptions(command)
    .addHelpText('after', examples)
    .action((options: SwarmCommandOptions) =>
      runCommand(options, (context) => runSwarmCommand(options, context)),
    );
}

async function runSwarmCommand(
  options: SwarmCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context;
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runSwarm(configOf(options), { signal, say });
  const shown = { chart: resultChart(result), text: resultText(result) };
  await tellResult(context, options.output, result, shown);
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
  const quick = options.quick === true ? quickConfig : {};
  return { ...defaultConfig, ...quick, ...given<SwarmConfig>(asked) };
}
