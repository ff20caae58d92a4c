import { deadlineOption, jsonOption, Option, runCommand, type Command } from '../src/cli/index.ts';
import { addKeysDelegateCommands } from './keys-delegate-command.ts';
import { addPublishOptions, expiresOption, keysOption, signingKeyOption } from './keys-option.ts';
import { addKeysRotateCommand } from './keys-rotate-command.ts';
import { addKeysSignCommands } from './keys-sign-command.ts';
import type { PublishInit } from './publisher.ts';

interface InitOptions {
  readonly keys: string;
  readonly online?: string;
  readonly expires?: number;
  readonly json?: boolean;
}

interface RenewOptions extends PublishInit {
  readonly deadline?: number;
  readonly json?: boolean;
}

const initExamples = `
Give root.json to the tracker and to every host; keep the .key files, root.key best offline. With
--online the tracker signs that nothing newer is held back, so no one else has to renew that.

Examples:
  seeder keys init --keys ./keys
  seeder keys init --keys ./keys --online tracker-data/online.pub
`;

const createExamples = `
The public half gets the ending .pub; give that to who delegates an app, or rotates a key.

Example:
  seeder keys create ./team.key
`;

const renewExamples = `
What is signed expires, so that nobody can hold hosts at an old release for ever. Run this before.

Example:
  seeder keys renew --keys ./keys --tracker http://tracker:7070 --token-file token
`;

export function addKeysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .description('make and use the keys that sign releases')
    .addHelpText('after', '\nExample:\n  seeder keys init --keys ./keys\n');
  addInit(keys);
  addCreate(keys);
  addRenew(keys);
  addKeysDelegateCommands(keys);
  addKeysRotateCommand(keys);
  addKeysSignCommands(keys);
}

function addInit(keys: Command): void {
  keys
    .command('init')
    .description('make root, targets, snapshot and timestamp keys, and root.json')
    .addOption(keysOption())
    .addOption(
      new Option(
        '--online <file>',
        "the public key of the tracker, which is to sign snapshot and timestamp: 'tracker online-key' makes it",
      ),
    )
    .addOption(expiresOption('how long root.json is good'))
    .addOption(jsonOption())
    .addHelpText('after', initExamples)
    .action((options: InitOptions) =>
      runCommand(options, async ({ output }) => {
        const { createKeys, loadPublicKeys } = await import('../src/trust/index.ts');
        const [onlineKey] = await loadPublicKeys(
          options.online === undefined ? [] : [options.online],
        );
        const { rootPath } = await createKeys(options.keys, {
          now: new Date(),
          rootExpiresAfterMs: options.expires,
          onlineKey,
        });
        output.result(
          { keys: options.keys, root: rootPath },
          `made the keys in ${options.keys}; give ${rootPath} to the tracker and the hosts`,
        );
      }),
    );
}

function addCreate(keys: Command): void {
  keys
    .command('create')
    .description('make one key pair, for instance of a team that releases an app')
    .argument('<file>', 'where the private key goes')
    .addOption(jsonOption())
    .addHelpText('after', createExamples)
    .action((path: string, options: { readonly json?: boolean }) =>
      runCommand(options, async ({ output }) => {
        const { createKeyPair } = await import('../src/trust/index.ts');
        const { publicPath, keyId } = await createKeyPair(path);
        output.result(
          { key: path, publicKey: publicPath, keyId },
          `made ${path}, for your eyes only, and ${publicPath}, for all`,
        );
      }),
    );
}

function addRenew(keys: Command): void {
  addPublishOptions(
    keys
      .command('renew')
      .description('sign the current releases again, before what was signed expires'),
  )
    .addOption(signingKeyOption())
    .addOption(expiresOption('how long the new signatures are good'))
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', renewExamples)
    .action((options: RenewOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { renewReleases } = await import('./publish.ts');
        const pushed = await renewReleases(options, { signal });
        output.result(pushed, `signed again, as timestamp ${pushed.timestampVersion}`);
      }),
    );
}
