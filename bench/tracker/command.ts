import { Option, runCommand, type Command, type CommandContext } from '../../src/cli/index.ts';
import { addResultOptions, countOption, given, tellResult } from '../options.ts';
import { defaultConfig, quickConfig, type TrackerBenchConfig } from './config.ts';
import { resultChart, resultText } from './show-result.ts';
import { runTrackerBench } from './tracker-bench.ts';

interface TrackerCommandOptions {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly quick?: boolean;
  readonly output: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
The tracker has the first core and the load the second. What is in each figure is in bench/README.md.

Examples:
  npm run bench -- tracker --quick
  npm run bench -- tracker --rounds 9 --seconds 20
`;

export function addTrackerCommand(program: Command): void {
  const command = program
    .command('tracker')
    .description('how many announces a tracker answers, beside opentracker')
    .addOption(countOption('--rounds <count>', 'how often each is measured', 1_000))
    .addOption(countOption('--seconds <count>', 'how long each is measured', 600))
    .addOption(new Option('--quick', 'under a minute: one round, and a short one'));
  addResultOptions(command)
    .addHelpText('after', examples)
    .action((options: TrackerCommandOptions) =>
      runCommand(options, (context) => runTrackerCommand(options, context)),
    );
}

async function runTrackerCommand(
  options: TrackerCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context;
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runTrackerBench(configOf(options), { signal, say });
  const shown = { chart: resultChart(result), text: resultText(result) };
  await tellResult(context, options.output, result, shown);
}

function configOf({ quick, rounds, seconds }: TrackerCommandOptions): TrackerBenchConfig {
  return {
    ...defaultConfig,
    ...(quick === true ? quickConfig : {}),
    ...given<TrackerBenchConfig>({ rounds, seconds }),
  };
}
