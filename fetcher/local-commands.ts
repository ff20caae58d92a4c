import {
  deadlineOption,
  formatBytes,
  formatRate,
  jsonOption,
  Option,
  parseInteger,
  runCommand,
  type Command,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import type { FetcherStatus, Generations } from '../src/api/index.ts';
import { directoryOption } from './directory-option.ts';
import { openClient } from './local-client.ts';

interface LocalOptions {
  readonly dir: string;
  readonly json?: boolean;
  readonly deadline?: number;
}

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('tell what the fetcher of this host does')
    .addOption(directoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  fetcher status --dir /var/lib/starling --json\n')
    .action((options: LocalOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const client = await openClient(options.dir);
        const { offlineStatus } = await import('./offline.ts');
        const status = (await client.status({ signal })) ?? (await offlineStatus(options.dir));
        output.result(status, statusText(status));
      }),
    );
}

export function addGenerationsCommand(program: Command): void {
  program
    .command('generations')
    .description('list the generations of this host')
    .addOption(directoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  fetcher generations --dir /var/lib/starling\n')
    .action((options: LocalOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const client = await openClient(options.dir);
        const { offlineGenerations } = await import('./offline.ts');
        const found =
          (await client.generations({ signal })) ?? (await offlineGenerations(options.dir));
        output.result(found, generationsText(found));
      }),
    );
}

export function addRollbackCommand(program: Command): void {
  program
    .command('rollback')
    .description('go back to an earlier generation; the release that is left is not tried again')
    .argument('<app/channel>', 'which')
    .addOption(
      new Option('--to <number>', 'the generation; without it the healthy one before').argParser(
        (text: string) => parseInteger(text, 1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(directoryOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  fetcher rollback hello/stable --to 3\n')
    .action((path: string, options: LocalOptions & { readonly to?: number }) =>
      runCommand(options, async ({ output, signal }) => {
        const client = await openClient(options.dir);
        const { parseChannelPath } = await import('../src/trust/index.ts');
        const { to } = options;
        const request = { ...parseChannelPath(path), ...(to === undefined ? {} : { to }) };
        const done = await client.rollback(request, { signal });
        if (done === undefined) {
          throw new ConfigError(
            'CONFIG_MISSING',
            `no fetcher runs in ${options.dir}; start it, then go back`,
          );
        }
        const { number, version } = done.generation;
        output.result(done, `${path} is back at generation ${number}, version ${version}`);
      }),
    );
}

function statusText(status: FetcherStatus): string {
  const head = status.running
    ? `the fetcher runs, process ${status.pid ?? '?'}, port ${status.port ?? '?'}`
    : 'no fetcher runs here';
  const channels = status.channels.map(({ app, channel, state, fault, activation }) => {
    const running =
      activation.generation === undefined
        ? activation.state
        : `${activation.state}, generation ${activation.generation}, version ${activation.version ?? '?'}`;
    const why = fault === undefined ? '' : `: ${fault.message} (${fault.code})`;
    return `${app}/${channel}: ${running}; ${state}${why}`;
  });
  const swarms = status.swarms.map(
    ({ name, imageId, state, reason, verifiedBytes, sizeBytes, peers, limits }) =>
      `${name ?? imageId}: ${state}${reason === undefined ? '' : ` (${reason})`}, ${formatBytes(verifiedBytes)} of ${formatBytes(sizeBytes ?? 0)}, ${peers} peers${limitsText(limits)}`,
  );
  return [head, ...channels, ...swarms].join('\n');
}

/** What is not as it is by default. */
function limitsText(limits: FetcherStatus['swarms'][number]['limits']): string {
  const { uploadBytesPerSecond: up, downloadBytesPerSecond: down, priority } = limits;
  return [
    priority === 'normal' ? '' : `, priority ${priority}`,
    up === null ? '' : `, upload at most ${formatRate(up)}`,
    down === null ? '' : `, download at most ${formatRate(down)}`,
  ].join('');
}

function generationsText({ generations }: Generations): string {
  if (generations.length === 0) return 'nothing was activated here yet';
  return generations
    .map(({ app, channel, number, version, release, state, reason, current }) => {
      const mark = current ? '*' : ' ';
      const why = reason === undefined ? '' : `: ${reason}`;
      return `${mark} ${app}/${channel} ${number}  version ${version}  release ${release}  ${state}${why}`;
    })
    .join('\n');
}
