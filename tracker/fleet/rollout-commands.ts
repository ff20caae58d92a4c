import type {
  FleetHostPins,
  FleetRollout,
  FleetRolloutAction,
  FleetRolloutHost,
  RolloutClient,
  RolloutName,
} from '../../src/api/index.ts';
import {
  addOperatorOptions,
  openOperatorClient,
  readAll,
  Option,
  repeatable,
  runCommand,
  type Command,
  type CommandContext,
  type OperatorOptions,
} from '../../src/cli/index.ts';
import { actOnce } from './rollout-acting.ts';

const rolloutExamples = `
Examples:
  tracker rollout list
  tracker rollout show web stable --hosts
  tracker rollout abort web stable --no-go-back
  tracker rollout promote web stable --all
`;

const hostExamples = `
Holds and pins bind rollouts, and nothing else: a release without a plan is activated by each host by itself.

Examples:
  tracker host hold 12D3Koo…
  tracker host pin 12D3Koo… web baf5rei…
  tracker host free 12D3Koo… --app web
`;

type AbortOptions = OperatorOptions & { readonly goBack?: boolean };
type RetryOptions = OperatorOptions & { readonly host?: readonly string[] };

/** `tracker rollout …`: how releases spread. */
export function addRolloutCommands(program: Command): void {
  const rollout = program
    .command('rollout')
    .description('see how releases spread, and stop or speed them up')
    .addHelpText('after', rolloutExamples);
  addOperatorOptions(rollout.command('list'))
    .addHelpText('after', rolloutExamples)
    .description('list the newest rollout of each channel')
    .action((options: OperatorOptions) => withRollouts(options, listRollouts));
  addOperatorOptions(rollout.command('show <app> <channel>'))
    .addHelpText('after', rolloutExamples)
    .description('show how far a rollout is, and what it waits for')
    .option('--hosts', 'also where each host stands')
    .action((app: string, channel: string, options: OperatorOptions & { hosts?: boolean }) =>
      withRollouts(options, (rollouts, context) =>
        showRollout(rollouts, context, { app, channel }, options.hosts === true),
      ),
    );
  addAction(rollout, 'pause', 'nobody moves until it is resumed', () => ({ type: 'pause' }));
  addAction(rollout, 'resume', 'go on after a pause', () => ({ type: 'resume' }));
  addAction(rollout, 'abort', 'stop it for good', ({ goBack }: AbortOptions) => ({
    type: 'abort',
    ...(goBack === undefined ? {} : { goBack }),
  }))
    .option('--go-back', 'send those back that had moved, whatever the plan says')
    .option('--no-go-back', 'leave those that had moved, whatever the plan says');
  addAction(
    rollout,
    'promote',
    'open the next wave without waiting for the gate',
    ({ all }: OperatorOptions & { all?: boolean }) => ({
      type: 'promote',
      waves: all === true ? 'all' : 'next',
    }),
  ).option('--all', 'open all waves');
  addAction(rollout, 'retry', 'let hosts that failed try again', ({ host }: RetryOptions) => ({
    type: 'retry',
    ...(host === undefined ? {} : { hosts: [...host] }),
  })).addOption(repeatable(new Option('--host <peer>', 'only this one; several times')));
}

function addAction<Options extends OperatorOptions>(
  rollout: Command,
  name: string,
  description: string,
  actionOf: (options: Options) => FleetRolloutAction,
): Command {
  return addOperatorOptions(rollout.command(`${name} <app> <channel>`))
    .addHelpText('after', rolloutExamples)
    .description(description)
    .action((app: string, channel: string, options: Options) =>
      withRollouts(options, async (rollouts, { output, signal }) => {
        const after = await actOnce(rollouts, { app, channel }, actionOf(options), { signal });
        output.result(after, lineOf(after));
      }),
    );
}

/** `tracker host …`: what is kept out of rollouts. */
export function addHostCommands(program: Command): void {
  const host = program
    .command('host')
    .description('keep hosts as they are, whatever rollouts do')
    .addHelpText('after', hostExamples);
  addOperatorOptions(host.command('hold <peer>'))
    .addHelpText('after', hostExamples)
    .description('no rollout moves a host until it is freed')
    .action((peerId: string, options: OperatorOptions) =>
      withRollouts(options, async (rollouts, { output, signal }) => {
        const pins = await rollouts.pin(peerId, { type: 'hold' }, { signal });
        output.result(
          { peerId, ...pins },
          `${peerId} is held out of rollouts; a release without a plan moves it all the same`,
        );
      }),
    );
  addOperatorOptions(host.command('pin <peer> <app> <image>'))
    .addHelpText('after', hostExamples)
    .description('of an app no rollout brings a host another image than this one')
    .action((peerId: string, app: string, imageId: string, options: OperatorOptions) =>
      withRollouts(options, async (rollouts, { output, signal }) => {
        const pins = await rollouts.pin(peerId, { type: 'pin', app, imageId }, { signal });
        output.result(
          { peerId, ...pins },
          `no rollout brings ${app} of ${peerId} another image than ${imageId}; a release without a plan does`,
        );
      }),
    );
  addOperatorOptions(host.command('free <peer>'))
    .addHelpText('after', hostExamples)
    .description('take back that a host is held, or with --app that this is pinned')
    .option('--app <app>', 'the app that is pinned')
    .action((peerId: string, options: OperatorOptions & { readonly app?: string }) =>
      withRollouts(options, async (rollouts, { output, signal }) => {
        const { app } = options;
        const change =
          app === undefined ? ({ type: 'release' } as const) : ({ type: 'unpin', app } as const);
        const pins = await rollouts.pin(peerId, change, { signal });
        output.result({ peerId, ...pins }, stillFixed(peerId, pins));
      }),
    );
}

/** What of a host is fixed, after some of it was freed. */
export function stillFixed(peerId: string, { isHeld, pins }: FleetHostPins): string {
  const pinned = Object.entries(pins).map(([app, imageId]) => `${app} pinned to ${imageId}`);
  const fixed = [...(isHeld ? ['held'] : []), ...pinned];
  if (fixed.length === 0) return `${peerId} is free`;
  const remedy = pinned.length === 0 ? 'free it without --app' : 'free it with --app too';
  return `${peerId} is still ${fixed.join(', ')}: ${remedy}`;
}

async function listRollouts(
  rollouts: RolloutClient,
  { output, signal }: CommandContext,
): Promise<void> {
  const all = await readAll(
    (after) => rollouts.list({ after }, { signal }),
    (page) => page.rollouts,
  );
  output.result({ rollouts: all }, all.map(lineOf).join('\n') || 'there are no rollouts');
}

async function showRollout(
  rollouts: RolloutClient,
  { output, signal }: CommandContext,
  name: RolloutName,
  withHosts: boolean,
): Promise<void> {
  const rollout = await rollouts.show(name, { signal });
  const hosts = withHosts
    ? await readAll(
        (after) => rollouts.hosts(name, { after }, { signal }),
        (page) => page.hosts,
      )
    : [];
  const lines = [lineOf(rollout), ...endOf(rollout), ...hosts.map(hostLineOf)];
  output.result({ ...rollout, ...(withHosts ? { hosts } : {}) }, lines.join('\n'));
}

const lineOf = (rollout: FleetRollout): string =>
  [
    `${rollout.app}/${rollout.channel}`,
    `release ${rollout.release} (${rollout.version})`,
    rollout.stopReason === undefined ? rollout.phase : `${rollout.phase} (${rollout.stopReason})`,
    `wave ${rollout.wave} of ${rollout.waves}`,
    `${rollout.tried} of ${rollout.total} tried`,
    `${rollout.failures} failed`,
    `${rollout.unavailable} of ${rollout.limit} unavailable`,
    ...(rollout.waitsFor === undefined ? [] : [`waits for ${rollout.waitsFor}`]),
    ...(rollout.supersededBy === undefined
      ? []
      : [`is over: release ${rollout.supersededBy} has no plan, and goes to all hosts at once`]),
  ].join('  ');

/** What becomes of hosts that are not on a release whose rollout was stopped. */
const endOf = ({ phase, version }: FleetRollout): string[] =>
  phase === 'aborted'
    ? [
        `nobody gets version ${version} any more, also who comes now: hosts stay on what they run, or on nothing, until something newer is released`,
      ]
    : [];

const hostLineOf = (host: FleetRolloutHost): string => {
  const { peerId, standing, phase, failure, imageId, state, unmet, reason } = host;
  return [
    ...[peerId, standing, phase ?? '-', failure ?? '-', state ?? '-', imageId ?? '-'],
    ...(unmet === undefined ? [] : [`lacks ${unmet.join(', ')}`]),
    ...(reason === undefined ? [] : [reason]),
  ].join('  ');
};

/** Runs a command about rollouts. */
const withRollouts = (
  options: OperatorOptions,
  work: (rollouts: RolloutClient, context: CommandContext) => Promise<void>,
): Promise<void> =>
  runCommand(options, async (context) => {
    const { RolloutClient: Client } = await import('../../src/api/index.ts');
    await work(new Client({ tracker: await openOperatorClient(options) }), context);
  });
