import type { FleetClient } from '../src/api/index.ts';
import {
  addOperatorOptions,
  openOperatorClient,
  Option,
  parseDuration,
  runCommand,
  type Command,
  type CommandContext,
  type OperatorOptions as CallOptions,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

interface OperatorOptions extends CallOptions {
  readonly dir: string;
  readonly ttl?: number;
}

const examples = `
The operators of a fleet are called for at one of its trackers (--tracker), and are those of all. Those of a tracker
without a fleet are files in its directory (--dir).

Examples:
  tracker operator create alice --tracker https://tracker:7070 --token-file admin.token --ttl 90d > alice.token
  tracker operator create alice --dir /var/lib/starling-tracker --ttl 90d > alice.token
  tracker operator list --dir /var/lib/starling-tracker
  tracker operator revoke alice --dir /var/lib/starling-tracker
`;

/** Where the tracker keeps what is its own. */
export const directoryOption = (description: string): Option =>
  new Option('--dir <directory>', description).env('STARLING_TRACKER_DIR').default('tracker-data');

/** Adds `tracker operator …`: who may call the REST interface, beside `admin`. */
export function addOperatorCommands(program: Command): void {
  const operator = program
    .command('operator')
    .description('make and revoke the tokens by which people and tools call the REST interface')
    .addHelpText('after', examples);
  common(operator.command('create <name>'))
    .description('make a token for an operator, and print it; it is told this once')
    .addOption(
      new Option('--ttl <duration>', 'after so long the token is good no more')
        .argParser(parseDuration)
        .default(undefined, 'until it is revoked'),
    )
    .action((name: string, options: OperatorOptions, command: Command) =>
      run(options, command, (place, context) => create(name, options, place, context)),
    );
  common(operator.command('list'))
    .description('list the operators')
    .action((options: OperatorOptions, command: Command) => run(options, command, list));
  common(operator.command('revoke <name>'))
    .description("make an operator's token good no more, also for a tracker that runs")
    .action((name: string, options: OperatorOptions, command: Command) =>
      run(options, command, (place, context) => revoke(name, place, context)),
    );
}

const common = (command: Command): Command =>
  addOperatorOptions(
    command.addOption(directoryOption("the directory of a tracker that has no fleet's key")),
  ).addHelpText('after', examples);

/** Where operators are kept: in a fleet's store, or in the directory of a tracker without a fleet. */
type Place = { readonly fleet: FleetClient } | { readonly dir: string };

const run = (
  options: OperatorOptions,
  command: Command,
  work: (place: Place, context: CommandContext) => Promise<void>,
): Promise<void> =>
  runCommand(options, async (context) => {
    await work(await placeOf(options, command), context);
  });

/** A directory that was named by hand counts more than a tracker that a variable names. */
async function placeOf(options: OperatorOptions, command: Command): Promise<Place> {
  const { dir, tracker } = options;
  const isLocal = tracker === undefined || command.getOptionValueSource('dir') === 'cli';
  if (!isLocal) {
    const { FleetClient: Client } = await import('../src/api/index.ts');
    return { fleet: new Client({ tracker: await openOperatorClient(options) }) };
  }
  const { Fleet } = await import('./fleet/fleet.ts');
  if (!(await Fleet.isIn(dir))) return { dir };
  throw new ConfigError(
    'CONFIG_INVALID',
    `the tracker of ${dir} has a fleet, whose operators are in its store, for all its trackers: call one, with --tracker URL --token-file ${dir}/token`,
    { evidence: { dir } },
  );
}

async function create(
  name: string,
  { ttl }: OperatorOptions,
  place: Place,
  { output, signal }: CommandContext,
): Promise<void> {
  if ('fleet' in place) {
    const request = { name, ...(ttl === undefined ? {} : { ttlMs: ttl }) };
    const { token, expiresAt } = await place.fleet.createOperator(request, { signal });
    output.result({ name, token, expiresAt }, token);
    return;
  }
  const { createOperator } = await import('./rest/operator-files.ts');
  const { operator, token } = await createOperator(place.dir, name, {
    now: new Date(),
    ttlMs: ttl,
  });
  output.result({ name, token, expiresAt: operator.expiresAt }, token);
}

async function list(place: Place, { output, signal }: CommandContext): Promise<void> {
  const { operators, faults } = await readFrom(place, signal);
  for (const { message } of faults) output.line(message);
  const listed = operators.map(({ name, createdAt, expiresAt }) => ({
    name,
    createdAt,
    expiresAt,
    isOver: expiresAt !== undefined && expiresAt.getTime() <= Date.now(),
  }));
  const lines = listed.map(({ name, createdAt, expiresAt, isOver }) => {
    const end = expiresAt === undefined ? '' : `, ${isOver ? 'ended' : 'ends'} ${day(expiresAt)}`;
    return `${name}: since ${day(createdAt)}${end}`;
  });
  const others = lines.length === 0 ? 'no operators beside admin' : lines.join('\n');
  output.result({ operators: listed, unreadable: faults.length }, others);
}

async function readFrom(place: Place, signal: AbortSignal) {
  if ('dir' in place) {
    const { readOperators } = await import('./rest/operator-files.ts');
    return await readOperators(place.dir);
  }
  const operators = (await place.fleet.operators({ signal })).map((operator) => ({
    name: operator.name,
    createdAt: new Date(operator.createdAt),
    expiresAt: operator.expiresAt === undefined ? undefined : new Date(operator.expiresAt),
  }));
  return { operators, faults: [] };
}

const day = (date: Date): string => date.toISOString();

async function revoke(
  name: string,
  place: Place,
  { output, signal }: CommandContext,
): Promise<void> {
  if ('fleet' in place) await place.fleet.revokeOperator(name, { signal });
  else {
    const { revokeOperator } = await import('./rest/operator-files.ts');
    await revokeOperator(place.dir, name);
  }
  output.result({ name, revoked: true }, `${name} is no operator any more`);
}
