import {
  jsonOption,
  Option,
  parseDuration,
  runCommand,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';

interface OperatorOptions {
  readonly dir: string;
  readonly ttl?: number;
  readonly json?: boolean;
}

const examples = `
Examples:
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
    .action((name: string, options: OperatorOptions) =>
      run(options, (context) => create(name, options, context)),
    );
  common(operator.command('list'))
    .description('list the operators')
    .action((options: OperatorOptions) => run(options, (context) => list(options, context)));
  common(operator.command('revoke <name>'))
    .description("make an operator's token good no more, also for a tracker that runs")
    .action((name: string, options: OperatorOptions) =>
      run(options, (context) => revoke(name, options, context)),
    );
}

const common = (command: Command): Command =>
  command
    .addOption(directoryOption("the tracker's directory"))
    .addOption(jsonOption())
    .addHelpText('after', examples);

const run = (
  { json }: OperatorOptions,
  work: (context: CommandContext) => Promise<void>,
): Promise<void> => runCommand({ json }, work);

async function create(
  name: string,
  { dir, ttl }: OperatorOptions,
  { output }: CommandContext,
): Promise<void> {
  const { createOperator } = await import('./rest/operator-files.ts');
  const { operator, token } = await createOperator(dir, name, { now: new Date(), ttlMs: ttl });
  output.result({ name, token, expiresAt: operator.expiresAt }, token);
}

async function list({ dir }: OperatorOptions, { output }: CommandContext): Promise<void> {
  const { readOperators } = await import('./rest/operator-files.ts');
  const { operators, faults } = await readOperators(dir);
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

const day = (date: Date): string => date.toISOString();

async function revoke(
  name: string,
  { dir }: OperatorOptions,
  { output }: CommandContext,
): Promise<void> {
  const { revokeOperator } = await import('./rest/operator-files.ts');
  await revokeOperator(dir, name);
  output.result({ name, revoked: true }, `${name} is no operator any more`);
}
