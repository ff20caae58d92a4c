import type { HostSettings } from '../src/api/index.ts';
import { deadlineOption, jsonOption, runCommand, type Command } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { directoryOption } from './directory-option.ts';
import { openClient } from './local-client.ts';

interface SettingsOptions {
  readonly dir: string;
  readonly json?: boolean;
  readonly deadline?: number;
}

type AppStatus = HostSettings['apps'][number];
type NeedStatus = AppStatus['channels'][number]['needs'][number];

const examples = `
They are set at the tracker, for all hosts. This tells what has come here, and what the images that run
make of it: from the fleet for this zone, the fleet for all, --supply, or the manifest's default.

Examples:
  fetcher settings --dir /var/lib/starling
  fetcher settings hello --json
`;

export function addSettingsCommand(program: Command): void {
  program
    .command('settings')
    .description('tell which endpoints and tunables hold on this host')
    .argument('[app]', 'of one app; without it of all')
    .addOption(directoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((app: string | undefined, options: SettingsOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const client = await openClient(options.dir);
        const { offlineSettings } = await import('./offline.ts');
        const found = (await client.settings({ signal })) ?? (await offlineSettings(options.dir));
        const apps = found.apps.filter((of) => app === undefined || of.app === app);
        if (app !== undefined && apps.length === 0) {
          throw new ConfigError('CONFIG_INVALID', `there are no settings of ${app} on this host`);
        }
        output.result(
          { apps },
          apps.map(appText).join('\n') || 'there are no settings on this host',
        );
      }),
    );
}

function appText({ app, revision, values, channels }: AppStatus): string {
  const head =
    revision === 0 ? `${app}: the fleet has set nothing` : `${app}: revision ${revision}`;
  const fleet = Object.entries(values).map(([key, value]) => `  ${key} = ${value}`);
  const lines = channels.flatMap(({ channel, generation, watchers, needs }) => [
    generation === undefined
      ? `  ${app}/${channel}: nothing runs`
      : `  ${app}/${channel}, generation ${generation}, ${watchers} watchers`,
    ...needs.map((need) => `    ${needText(need)}`),
  ]);
  return [head, ...fleet, ...lines].join('\n');
}

function needText({ name, type, value, source, fault }: NeedStatus): string {
  const from = source === undefined ? '' : `, ${source}`;
  const wrong = fault === undefined ? '' : `; ${name} ${fault}: the app keeps what it had`;
  return `${name} = ${value ?? '?'} (${type}${from})${wrong}`;
}
