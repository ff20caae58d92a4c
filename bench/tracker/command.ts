import {
  deadlineOption,
  exitCode,
  jsonOption,
  Option,
  parseInteger,
  runCommand,
  type Command,
  type CommandContext,
} from '../../src/cli/index.ts';
import { writeResults } from '../report/index.ts';
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
  program
    .command('tracker')
    .description('how many announces a tracker answers, beside opentracker')
    .addOption(
      new Option('--rounds <count>', 'how often each is measured').argParser((text) =>
        parseInteger(text, 1, 1_000),
      ),
    )
    .addOption(
      new Option('--seconds <count>', 'how long each is measured').argParser((text) =>
        parseInteger(text, 1, 600),
      ),
    )
    .addOption(new Option('--quick', 'under a minute: one round, and a short one'))
    .addOption(
      new Option('--output <directory>', 'where JSON and chart are written').default(
        'bench-results',
      ),
    )
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: TrackerCommandOptions) =>
      runCommand(options, (context) => runTrackerCommand(options, context)),
    );
}

async function runTrackerCommand(
  options: TrackerCommandOptions,
  { output, signal }: CommandContext,
): Promise<void> {
  const say = (text: string) => {
    output.line(text);
  };
  const result = await runTrackerBench(configOf(options), { signal, say });
  const { json, svg } = await writeResults(options.output, result, resultChart(result));
  output.line(`\nwritten: ${json}, ${svg}`);
  output.result(result, resultText(result));
  // They are in the result: it is still what is said last.
  if (result.failures.length > 0) process.exitCode = exitCode.failed;
}

function configOf({ quick, rounds, seconds }: TrackerCommandOptions): TrackerBenchConfig {
  return {
    ...defaultConfig,
    ...(quick === true ? quickConfig : {}),
    ...(rounds === undefined ? {} : { rounds }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}
