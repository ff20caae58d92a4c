import {
  defaultIdentity,
  identityOption,
  jsonOption,
  runCommand,
  type Command,
} from '../src/cli/index.ts';

interface IdentityOptions {
  readonly identity: string;
  readonly json?: boolean;
}

const examples = `
The key is made at first use. List the peer id in the --members file of every host.

Example:
  seeder identity >> members
`;

export function addIdentityCommand(program: Command): void {
  program
    .command('identity')
    .description('print the peer id by which other hosts know this seeder')
    .addOption(identityOption().default(defaultIdentity(process.env)))
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: IdentityOptions) =>
      runCommand(options, async ({ output }) => {
        const { openHostIdentity } = await import('../src/trust/sealed.ts');
        // The certificate too, so that the first start need not wait for it.
        const { identity } = await openHostIdentity(options.identity, { now: new Date() });
        output.result({ peerId: identity.peerId }, identity.peerId);
      }),
    );
}
