import {
  addOperatorOptions,
  Option,
  type Command,
  type OperatorOptions,
} from '../../src/cli/index.ts';
import { withFleet } from './member-commands.ts';

type ZoneOptions = OperatorOptions & { readonly zone?: string };

const examples = `
Endpoints say what an app connects to, tunables how it behaves. Hosts are told at once, and keep them.

Examples:
  tracker endpoint set web DB db-1.example:5432
  tracker endpoint set web DB db-2.example:5432 --zone eu
  tracker endpoint list web
  tracker endpoint remove web DB --zone eu
`;

const zoneOption = (): Option => new Option('--zone <zone>', 'for the hosts of this zone alone');

/** `tracker endpoint …`: what apps are told while they run. */
export function addEndpointCommands(program: Command): void {
  const endpoint = program
    .command('endpoint')
    .description('set the endpoints and tunables that apps are told while they run')
    .addHelpText('after', examples);
  addOperatorOptions(endpoint.command('set <app> <name> <value>'))
    .addHelpText('after', examples)
    .description('set a value; it is printed at which revision')
    .addOption(zoneOption())
    .action((app: string, name: string, value: string, options: ZoneOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const { zone } = options;
        const revision = await fleet.setSetting({ app, name, zone }, value, { signal });
        output.result({ app, name, zone, revision }, `${app} is at revision ${revision}`);
      }),
    );
  addOperatorOptions(endpoint.command('remove <app> <name>'))
    .addHelpText('after', examples)
    .description('take a value back')
    .addOption(zoneOption())
    .action((app: string, name: string, options: ZoneOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const { zone } = options;
        const revision = await fleet.removeSetting({ app, name, zone }, { signal });
        output.result({ app, name, zone, revision }, `${app} is at revision ${revision}`);
      }),
    );
  addOperatorOptions(endpoint.command('list <app>'))
    .addHelpText('after', examples)
    .description('list what the hosts of an app are told')
    .action((app: string, options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const settings = await fleet.settings(app, { signal });
        const lines = Object.entries(settings.values).map(([name, value]) => `${name}=${value}`);
        const text = [`${app} is at revision ${settings.revision}`, ...lines].join('\n');
        output.result({ app, ...settings }, text);
      }),
    );
}
