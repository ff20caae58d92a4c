import {
  deadlineOption,
  jsonOption,
  Option,
  repeatable,
  runCommand,
  type Command,
} from '../src/cli/index.ts';
import type { MetadataSet, MetadataUpdate } from '../src/trust/index.ts';
import { addPublishOptions, outOption, signingKeyOption, thresholdOption } from './keys-option.ts';
import type { Options, Publisher, PublishInit } from './publisher.ts';

interface SharedOptions extends Omit<PublishInit, 'key'> {
  readonly signWith?: readonly string[];
  readonly deadline?: number;
  readonly json?: boolean;
}

interface DelegateOptions extends SharedOptions {
  readonly key?: readonly string[];
  readonly threshold: number;
}

const delegateExamples = `
The team's keys can then release that app, in any channel, and nothing else; the keys in the directory
no longer release it. What is released stays so. Delegate it again to give it other keys.

Example:
  seeder keys delegate hello --key team.pub --keys ./keys --tracker http://tracker:7070 --token-file token
`;

const undelegateExamples = `
The app is then released by the keys in the directory again, and goes on from what the team has
released last.

Example:
  seeder keys undelegate hello --keys ./keys --tracker http://tracker:7070 --token-file token
`;

export function addKeysDelegateCommands(keys: Command): void {
  addDelegate(keys);
  addUndelegate(keys);
}

function addDelegate(keys: Command): void {
  addPublishOptions(
    keys
      .command('delegate')
      .description("let a team's keys release an app, and nothing else")
      .argument('<app>', 'the application'),
  )
    .addOption(
      repeatable(
        new Option('--key <file>', 'a public key of the team; may be given several times'),
      ),
    )
    .addOption(thresholdOption('how many of these keys must sign a release'))
    .addOption(signingKeyOption('--sign-with'))
    .addOption(outOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', delegateExamples)
    .action((app: string, options: DelegateOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { delegateApp, loadPublicKeys } = await import('../src/trust/index.ts');
        const teamKeys = await loadPublicKeys(options.key ?? []);
        const { threshold } = options;
        await signed(app, options, { signal }, (publisher, current, mayBePartial) =>
          delegateApp({
            ...publisher,
            now: new Date(),
            current,
            app,
            teamKeys,
            threshold,
            mayBePartial,
          }),
        );
        output.result(
          { app, keys: teamKeys.map(({ keyID }) => keyID), threshold, out: options.out },
          `${app} is released by ${threshold} of ${teamKeys.length} key(s) of its team`,
        );
      }),
    );
}

function addUndelegate(keys: Command): void {
  addPublishOptions(
    keys
      .command('undelegate')
      .description('release an app with the keys of the repository again')
      .argument('<app>', 'the application'),
  )
    .addOption(signingKeyOption('--sign-with'))
    .addOption(outOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', undelegateExamples)
    .action((app: string, options: SharedOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { undelegateApp } = await import('../src/trust/index.ts');
        await signed(app, options, { signal }, (publisher, current, mayBePartial) =>
          undelegateApp({ ...publisher, now: new Date(), current, app, mayBePartial }),
        );
        output.result({ app, out: options.out }, `${app} is released by the targets key again`);
      }),
    );
}

/** Signs on what is published, and hands it over; or writes it down for others to sign too. */
async function signed(
  app: string,
  options: SharedOptions,
  how: Options,
  sign: (
    publisher: Publisher,
    current: MetadataSet | undefined,
    mayBePartial: boolean,
  ) => MetadataUpdate,
): Promise<void> {
  const { openPublisher, publish, writePartlySigned } = await import('./publisher.ts');
  const { readPublishedSet } = await import('../src/trust/index.ts');
  const publisher = await openPublisher({ ...options, key: options.signWith }, how);
  const apps = [app];
  if (options.out === undefined) {
    await publish(publisher, { apps }, how, (current) => ({
      update: sign(publisher, current, false),
    }));
    return;
  }
  const current = await readPublishedSet(publisher, { root: publisher.root, apps }, how);
  await writePartlySigned(options.out, sign(publisher, current, true));
}
