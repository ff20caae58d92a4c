import {
  jsonOption,
  Option,
  parseDuration,
  runCommand,
  storeOption,
  type Command,
} from '../src/cli/index.ts';
import { addPublishOptions, expiresOption, outOption, signingKeyOption } from './keys-option.ts';
import type { PublishInit } from './publisher.ts';
import { addRolloutOptions, planFrom, type RolloutOptions } from './rollout-options.ts';

interface ReleaseOptions extends PublishInit, RolloutOptions {
  readonly store: string;
  readonly deadline?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const deadlineOption = (): Option =>
  new Option(
    '--deadline <duration>',
    'of a rollout: so long a host has to become healthy; without one: give up after this long, with exit code 4',
  ).argParser((text) => {
    parseDuration(text);
    return text;
  });

const examples = `
Seed the image first: hosts fetch it as soon as they see the release.

Examples:
  seeder release hello stable baf5rei… --tracker http://tracker:7070 --token-file token
  seeder release hello stable baf5rei… --rollout waves=1,10%,50%,100% --max-unavailable 5% --gate 60s --deadline 10m --abort-on 2%
  seeder release hello stable baf5rei… --key team.key --root root.json --tracker http://tracker:7070 --token-file token
`;

export function addReleaseCommand(program: Command): void {
  const command = addPublishOptions(
    program
      .command('release')
      .description('sign that a channel now names an image, and hand that to the tracker')
      .argument('<app>', 'the application')
      .argument('<channel>', 'the channel, for instance stable')
      .argument('<image>', 'image id or magnet link of an image in the store'),
  );
  addRolloutOptions(command)
    .addOption(signingKeyOption())
    .addOption(storeOption())
    .addOption(expiresOption('how long the signatures are good'))
    .addOption(outOption())
    .addOption(deadlineOption())
    .option('--dry-run', 'release nothing, but show which hosts would move in which wave')
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((app: string, channel: string, image: string, options: ReleaseOptions) =>
      runCommand(limits(options), async ({ output, signal }) => {
        const rollout = planFrom(options, options.deadline);
        const { storedImage } = await import('./image-argument.ts');
        const stored = await storedImage(image, options.store);
        if (options.dryRun === true) {
          const { previewRelease } = await import('./preview-release.ts');
          const name = { app, channel, imageId: stored.imageId };
          const preview = await previewRelease(options, { ...name, rollout }, { signal });
          output.result(preview.result, preview.text);
          return;
        }
        output.line(`releasing ${app}/${channel}`);
        const { publishRelease } = await import('./publish.ts');
        const release = await publishRelease({ ...options, app, channel, rollout }, stored, {
          signal,
        });
        output.result(
          release,
          `released ${app}/${channel} release ${release.release}: version ${release.version}, ${release.imageId}`,
        );
      }),
    );
}

/** How long the command itself may take: with a rollout `--deadline` is about that. */
function limits({ json, deadline = process.env.STARLING_DEADLINE, ...options }: ReleaseOptions) {
  const own = options.rollout === undefined ? deadline : process.env.STARLING_DEADLINE;
  return {
    ...(json === undefined ? {} : { json }),
    ...(own === undefined ? {} : { deadline: parseDuration(own) }),
  };
}
