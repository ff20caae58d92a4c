import { deadlineOption, jsonOption, runCommand, type Command } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { addPublishOptions, expiresOption, signingKeyOption } from './keys-option.ts';
import type { PartlySigned, PublishInit } from './publisher.ts';

interface SignOptions {
  readonly key?: readonly string[];
  readonly json?: boolean;
}

interface PushOptions extends PublishInit {
  readonly deadline?: number;
  readonly json?: boolean;
}

const signExamples = `
Look at what the file says before you sign it: it is JSON. It stays where it is.

Example:
  seeder keys sign release.json --key ./mine.key
`;

const pushExamples = `
Example:
  seeder keys push release.json --tracker http://tracker:7070 --token-file token
`;

export function addKeysSignCommands(keys: Command): void {
  keys
    .command('sign')
    .description('add signatures to a file that others have begun to sign with --out')
    .argument('<file>', 'what they have written')
    .addOption(signingKeyOption())
    .addOption(jsonOption())
    .addHelpText('after', signExamples)
    .action((path: string, options: SignOptions) =>
      runCommand(options, async ({ output }) => {
        const { addSignatures, loadKeyFiles } = await import('../src/trust/index.ts');
        const { readPartlySigned, writePartlySigned } = await import('./publisher.ts');
        const signers = await loadKeyFiles(options.key ?? []);
        if (signers.length === 0) {
          throw new ConfigError('CONFIG_MISSING', 'say with which key to sign: --key FILE');
        }
        const files = await readPartlySigned(path);
        await writePartlySigned(
          path,
          mapFiles(files, (text) => addSignatures(text, signers)),
        );
        output.result(
          { file: path, keys: signers.map(({ key }) => key.keyID) },
          `added the signatures of ${signers.length} key(s) to ${path}`,
        );
      }),
    );
  addPublishOptions(
    keys
      .command('push')
      .description('hand a file to the tracker that enough key holders have signed')
      .argument('<file>', 'what was written by --out, and signed'),
  )
    .addOption(signingKeyOption())
    .addOption(expiresOption('how long snapshot and timestamp are good'))
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', pushExamples)
    .action((path: string, options: PushOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { pushSigned } = await import('./push-signed.ts');
        const pushed = await pushSigned(path, options, { signal });
        output.result(pushed, `pushed ${path}`);
      }),
    );
}

function mapFiles(files: PartlySigned, map: (text: string) => string): PartlySigned {
  const { delegated, ...others } = files;
  const mapped = Object.entries(others).map(
    ([name, text]) => [name, text === undefined ? undefined : map(text)] as const,
  );
  const apps = Object.entries(delegated ?? {}).map(([app, text]) => [app, map(text)] as const);
  return {
    ...Object.fromEntries(mapped),
    ...(delegated === undefined ? {} : { delegated: Object.fromEntries(apps) }),
  };
}
