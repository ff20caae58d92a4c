import { Option, runCommand, type Command, type CommandContext } from '../../src/cli/index.ts';
import { addResultOptions, countOption, given, listOf, tellResult } from '../options.ts';
import { readMeasured } from './compare.ts';
import { defaultConfig, quickConfig, type SimulateConfig } from './config.ts';
import { scenarioNames } from './scenarios.ts';
import { resultChart, resultText } from './show-result.ts';
import { runSimulate } from './simulate.ts';

interface SimulateCommandOptions {
  readonly scenario?: readonly string[];
  readonly hosts?: number;
  readonly pieces?: number;
  readonly seed?: number;
  readonly rounds?: number;
  readonly uploads?: number;
  readonly outstanding?: number;
  readonly rings?: number;
  readonly gateways?: number;
  readonly quick?: boolean;
  readonly compare?: string;
  readonly output: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
What is simulated, and what is left out, is in bench/README.md.

Examples:
  npm run bench -- simulate --quick
  npm run bench -- simulate --scenario growth --hosts 100000 --rounds 1
  npm run bench -- simulate --scenario equal-16 --compare bench-results/swarm.json
`;

export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .description('how a swarm of thousands of hosts would do, by the policies of src/policy')
    .addOption(
      new Option('--scenario <names>', `of ${scenarioNames.join(', ')}`).argParser(
        listOf(scenarioNames),
      ),
    )
    .addOption(countOption('--hosts <count>', 'hosts that fetch', 1_000_000))
    .addOption(countOption('--pieces <count>', 'pieces of the image', 100_000))
    .addOption(countOption('--seed <number>', 'that of the first round', 1_000_000_000))
    .addOption(countOption('--rounds <count>', 'how often each runs, with other seeds', 1_000))
    .addOption(countOption('--uploads <count>', 'neighbours that a host sends to at a time', 1_000))
    .addOption(countOption('--outstanding <count>', 'pieces asked of a neighbour at a time', 64))
    .addOption(countOption('--rings <count>', 'rings that the hosts of a rack are in', 64))
    .addOption(countOption('--gateways <count>', 'hosts of a rack with links to others', 1_000))
    .addOption(new Option('--quick', 'under a minute: 1,000 hosts, few scenarios, one round'))
    .addOption(
      new Option('--compare <file>', 'the swarm.json of the swarm bench, to hold against'),
    );
  addResultOptions(command)
    .addHelpText('after', examples)
    .action((options: SimulateCommandOptions) =>
      runCommand(options, (context) => runSimulateCommand(options, context)),
    );
}

async function runSimulateCommand(
  options: SimulateCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context;
  const say = (text: string) => {
    output.line(text);
  };
  const measured = options.compare === undefined ? undefined : await readMeasured(options.compare);
  const result = await runSimulate(configOf(options), { signal, say, measured });
  const shown = { chart: resultChart(result), text: resultText(result) };
  await tellResult(context, options.output, result, shown);
}

function configOf(options: SimulateCommandOptions): SimulateConfig {
  const { hosts, pieces, seed, rounds, uploads, outstanding, scenario } = options;
  const asked = { scenarios: scenario, hosts, pieces, seed, rounds, uploads, outstanding };
  const graph = given({ nearRings: options.rings, gateways: options.gateways });
  return {
    ...defaultConfig,
    ...(options.quick === true ? quickConfig : {}),
    ...given<SimulateConfig>({ ...asked, graph }),
  };
}
