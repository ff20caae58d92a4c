import { Option, runCommand, type Command, type CommandContext } from '../../src/cli/index.ts';
import { addResultOptions, countOption, given, listOf, parseSize, tellResult } from '../options.ts';
import { defaultConfig, quickConfig, type EngineConfig } from './config.ts';
import { runEngine } from './engine.ts';
import { resultChart, resultText } from './show-result.ts';

interface EngineCommandOptions {
  readonly scenario?: readonly string[];
  readonly peers?: readonly string[];
  readonly rounds?: number;
  readonly size?: number;
  readonly files?: number;
  readonly memoryDir?: string;
  readonly diskDir?: string;
  readonly quick?: boolean;
  readonly output: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
Each peer runs once a round, in turn. What is in each figure is in bench/README.md.

Examples:
  npm run bench -- engine --quick
  npm run bench -- engine --peers sealed,libtorrent --scenario file-memory --rounds 5 --size 1GiB
`;

export function addEngineCommand(program: Command): void {
  const { scenarios, peers } = defaultConfig;
  const command = program
    .command('engine')
    .description('how fast one process gets an image from another, beside other programs')
    .addOption(
      new Option('--scenario <names>', `of ${scenarios.join(', ')}`).argParser(listOf(scenarios)),
    )
    .addOption(new Option('--peers <names>', `of ${peers.join(', ')}`).argParser(listOf(peers)))
    .addOption(countOption('--rounds <count>', 'how often each runs', 1_000))
    .addOption(
      new Option('--size <size>', 'of the large file, for instance 1GiB').argParser(parseSize),
    )
    .addOption(countOption('--files <count>', 'how many small files', 1_000_000))
    .addOption(new Option('--memory-dir <directory>', 'a folder in memory'))
    .addOption(new Option('--disk-dir <directory>', 'a folder on disk'))
    .addOption(new Option('--quick', 'under a minute: few peers, a smaller file, memory only'));
  addResultOptions(command)
    .addHelpText('after', examples)
    .action((options: EngineCommandOptions) =>
      runCommand(options, (context) => runEngineCommand(options, context)),
    );
}

async function runEngineCommand(
  options: EngineCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context;
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runEngine(configOf(options), { signal, say });
  const shown = { chart: resultChart(result), text: resultText(result) };
  await tellResult(context, options.output, result, shown);
}

function configOf(options: EngineCommandOptions): EngineConfig {
  const asked = {
    scenarios: options.scenario,
    peers: options.peers,
    rounds: options.rounds,
    sizeBytes: options.size,
    smallFiles: options.files,
    memoryDir: options.memoryDir,
    diskDir: options.diskDir,
  };
  const quick = options.quick === true ? quickConfig : {};
  return { ...defaultConfig, ...quick, ...given<EngineConfig>(asked) };
}
