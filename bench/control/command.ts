import {
  Option,
  parseInteger,
  runCommand,
  type Command,
  type CommandContext,
} from '../../src/cli/index.ts';
import { addResultOptions, countOption, given, tellResult } from '../options.ts';
import { defaultConfig, quickConfig, type ControlBenchConfig } from './config.ts';
import { runControlBench } from './control-bench.ts';
import { resultChart, resultText } from './show-result.ts';

interface ControlCommandOptions {
  readonly hosts?: number;
  readonly changes?: number;
  readonly sessions?: number;
  readonly quick?: boolean;
  readonly output: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
All processes share this machine. What is in each figure is in bench/README.md.

Examples:
  npm run bench -- control --quick
  npm run bench -- control --sessions 1000
`;

export function addControlCommand(program: Command): void {
  const command = program
    .command('control')
    .description('how long a changed endpoint takes to the applications, beside ZooKeeper')
    .addOption(countOption('--hosts <count>', 'how many fetchers, and clients of ZooKeeper', 64))
    .addOption(countOption('--changes <count>', 'how many are measured', 100_000))
    .addOption(
      new Option('--sessions <count>', 'as many simulated sessions with a tracker, too').argParser(
        (text) => parseInteger(text, 0, 8_000),
      ),
    )
    .addOption(new Option('--quick', 'under a minute: fewer changes'));
  addResultOptions(command)
    .addHelpText('after', examples)
    .action((options: ControlCommandOptions) =>
      runCommand(options, (context) => runControlCommand(options, context)),
    );
}

async function runControlCommand(
  options: ControlCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context;
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runControlBench(configOf(options), { signal, say });
  const shown = { chart: resultChart(result), text: resultText(result) };
  await tellResult(context, options.output, result, shown);
}

function configOf({ quick, hosts, changes, sessions }: ControlCommandOptions): ControlBenchConfig {
  return {
    ...defaultConfig,
    ...(quick === true ? quickConfig : {}),
    ...given<ControlBenchConfig>({ hosts, changes, sessions }),
  };
}
