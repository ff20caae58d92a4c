import {
  deadlineOption,
  jsonOption,
  Option,
  parseDuration,
  runCommand,
  trackerCaOption,
  trackerOption,
  type Command,
} from '../src/cli/index.ts';
import { keysOption, tokenFileOption } from './keys-option.ts';

interface InitOptions {
  readonly keys: string;
  readonly expires?: number;
  readonly json?: boolean;
}

interface RenewOptions {
  readonly keys: string;
  readonly tracker?: readonly string[];
  readonly trackerCa?: string;
  readonly tokenFile?: string;
  readonly expires?: number;
  readonly deadline?: number;
  readonly json?: boolean;
}

const initExamples = `
Give root.json to the tracker and to every host; keep the .key files, root.key best offline.

Example:
  seeder keys init --keys ./keys
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
  keys
    .command('init')
    .description('make root, targets, snapshot and timestamp keys, and root.json')
    .addOption(keysOption())
    .addOption(
      new Option('--expires <duration>', 'how long root.json is good').argParser(parseDuration),
    )
    .addOption(jsonOption())
    .addHelpText('after', initExamples)
    .action((options: InitOptions) =>
      runCommand(options, async ({ output }) => {
        const { createKeys } = await import('../src/trust/index.ts');
        const { rootPath } = await createKeys(options.keys, {
          now: new Date(),
          rootExpiresAfterMs: options.expires,
        });
        output.result(
          { keys: options.keys, root: rootPath },
          `made the keys in ${options.keys}; give ${rootPath} to the tracker and the hosts`,
        );
      }),
    );
  keys
    .command('renew')
    .description('sign the current releases again, before what was signed expires')
    .addOption(keysOption())
    .addOption(trackerOption())
    .addOption(trackerCaOption())
    .addOption(tokenFileOption())
    .addOption(
      new Option('--expires <duration>', 'how long the new signatures are good').argParser(
        parseDuration,
      ),
    )
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
