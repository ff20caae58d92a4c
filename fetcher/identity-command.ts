import { identityOption, jsonOption, runCommand, type Command } from '../src/cli/index.ts';
import { directoryOption } from './directory-option.ts';

interface IdentityOptions {
  readonly dir: string;
  readonly identity?: string;
  readonly json?: boolean;
}

const examples = `
The key is made at first use, in the directory unless --identity says otherwise. List the peer id in the
--members file of every host.

Example:
  fetcher identity --dir /var/lib/starling
`;

export function addIdentityCommand(program: Command): void {
  program
    .command('identity')
    .description('print the peer id by which other hosts know this one')
    .addOption(directoryOption())
    .addOption(identityOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((options: IdentityOptions) =>
      runCommand(options, async ({ output }) => {
        const { FetcherDirectory } = await import('./fetcher-directory.ts');
        const { openHostIdentity } = await import('../src/trust/sealed.ts');
        const directory = new FetcherDirectory(options.dir);
        if (options.identity === undefined) await directory.make();
        // The certificate too, so that the first start need not wait for it.
        const { identity } = await openHostIdentity(options.identity ?? directory.identity, {
          now: new Date(),
        });
        output.result({ peerId: identity.peerId }, identity.peerId);
      }),
    );
}
