import type { FleetClient } from '../../src/api/index.ts';
import {
  addOperatorOptions,
  openOperatorClient,
  Option,
  parseDuration,
  readAll,
  runCommand,
  type Command,
  type CommandContext,
  type OperatorOptions,
} from '../../src/cli/index.ts';
import { addGrantOptions, grantFrom, type GrantOptions } from './grant-options.ts';

type TokenOptions = OperatorOptions & GrantOptions & { readonly ttl: number };

const tokenExamples = `
Examples:
  tracker token create --app 'shop-*' --label rack=r1 --ttl 1h > host.token
  tracker token list
`;

const memberExamples = `
Examples:
  tracker member invite > invitation          # on a host: fetcher run --join "$(cat invitation)" …
  tracker member list
  tracker member approve 12D3Koo… --app web
  tracker member revoke 12D3Koo…
  tracker member remove 12D3Koo…
`;

/** `tracker token …`: by what hosts join. */
export function addTokenCommands(program: Command): void {
  const token = program
    .command('token')
    .description('make and take back the tokens by which hosts join the fleet')
    .addHelpText('after', tokenExamples);
  addGrantOptions(operatorCommand(token, 'create', tokenExamples))
    .description('make a token by which one host can join, and print it; it is told this once')
    .addOption(
      new Option('--ttl <duration>', 'how long it is good')
        .argParser(parseDuration)
        .default(3_600_000, '1h'),
    )
    .action((options: TokenOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const request = { ...grantFrom(options), ttlMs: options.ttl };
        const created = await fleet.createToken(request, { signal });
        output.result(created, created.token);
      }),
    );
  operatorCommand(token, 'list', tokenExamples)
    .description('list the tokens that have not expired')
    .action((options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const tokens = await fleet.tokens({ signal });
        const lines = tokens.map(
          ({ id, expiresAt, by, usedBy }) =>
            `${id}  until ${expiresAt}  by ${by}${usedBy === undefined ? '' : `  used by ${usedBy}`}`,
        );
        output.result({ tokens }, lines.join('\n') || 'there are no tokens');
      }),
    );
  operatorCommand(token, 'remove <id>', tokenExamples)
    .description('make a token good no more')
    .action((id: string, options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        await fleet.removeToken(id, { signal });
        output.result({ id }, `the token ${id} is good no more`);
      }),
    );
}

/** `tracker member …`: who belongs. */
export function addMemberCommands(program: Command): void {
  const member = program
    .command('member')
    .description('say who belongs to the fleet, and who no more')
    .addHelpText('after', memberExamples);
  operatorCommand(member, 'invite', memberExamples)
    .description('print what a host needs to ask whether it may belong; it waits to be approved')
    .action((options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const made = await fleet.invitation({ signal });
        output.result(made, made.invitation);
      }),
    );
  operatorCommand(member, 'list', memberExamples)
    .description('list who belongs, has asked to, or was revoked')
    .action((options: OperatorOptions) => withFleet(options, listMembers));
  addGrantOptions(operatorCommand(member, 'approve <peer>', memberExamples))
    .description('let a peer in, or change what it may do')
    .action((peerId: string, options: OperatorOptions & GrantOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const approved = await fleet.approve(peerId, grantFrom(options), { signal });
        output.result(approved, `${peerId} belongs to the fleet`);
      }),
    );
  operatorCommand(member, 'revoke <peer>', memberExamples)
    .description('revoke a peer for good: its connections are closed everywhere')
    .action((peerId: string, options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        const number = await fleet.revoke(peerId, { signal });
        output.result({ peerId, number }, `${peerId} is revoked, by list number ${number}`);
      }),
    );
  operatorCommand(member, 'remove <peer>', memberExamples)
    .description('forget a member whose host is gone; revoke one whose key others may have')
    .action((peerId: string, options: OperatorOptions) =>
      withFleet(options, async (fleet, { output, signal }) => {
        await fleet.removeMember(peerId, { signal });
        output.result(
          { peerId },
          `${peerId} is no member any more; its credential is good until it ends`,
        );
      }),
    );
}

async function listMembers(fleet: FleetClient, { output, signal }: CommandContext): Promise<void> {
  const members = await readAll(
    (after) => fleet.members({ after }, { signal }),
    (page) => page.members,
  );
  const lines = members.map((one) =>
    [
      one.peerId,
      one.state,
      one.connected ? 'connected' : '-',
      one.roles.join(',') || '-',
      one.apps.join(',') || '-',
      Object.entries(one.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(','),
    ].join('  '),
  );
  output.result({ members }, lines.join('\n') || 'nobody belongs to this fleet yet');
}

const operatorCommand = (parent: Command, usage: string, examples: string): Command =>
  addOperatorOptions(parent.command(usage)).addHelpText('after', examples);

/** Runs a command of an operator. */
export const withFleet = (
  options: OperatorOptions,
  work: (fleet: FleetClient, context: CommandContext) => Promise<void>,
): Promise<void> =>
  runCommand(options, async (context) => {
    const { FleetClient: Client } = await import('../../src/api/index.ts');
    await work(new Client({ tracker: await openOperatorClient(options) }), context);
  });
