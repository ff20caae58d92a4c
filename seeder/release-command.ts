import {
  deadlineOption,
  jsonOption,
  runCommand,
  storeOption,
  type Command,
} from '../src/cli/index.ts';
import { addPublishOptions, expiresOption, outOption, signingKeyOption } from './keys-option.ts';
import type { PublishInit } from './publisher.ts';

interface ReleaseOptions extends PublishInit {
  readonly store: string;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
Seed the image first: hosts fetch it as soon as they see the release.

Examples:
  seeder release hello stable baf5rei… --tracker http://tracker:7070 --token-file token
  seeder release hello stable baf5rei… --key team.key --root root.json --tracker http://tracker:7070 --token-file token
`;

export function addReleaseCommand(program: Command): void {
  addPublishOptions(
    program
      .command('release')
      .description('sign that a channel now names an image, and hand that to the tracker')
      .argument('<app>', 'the application')
      .argument('<channel>', 'the channel, for instance stable')
      .argument('<image>', 'image id or magnet link of an image in the store'),
  )
    .addOption(signingKeyOption())
    .addOption(storeOption())
    .addOption(expiresOption('how long the signatures are good'))
    .addOption(outOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((app: string, channel: string, image: string, options: ReleaseOptions) =>
      runCommand(options, async ({ output, signal }) => {
        output.line(`releasing ${app}/${channel}`);
        const { storedImage } = await import('./image-argument.ts');
        const { publishRelease } = await import('./publish.ts');
        const stored = await storedImage(image, options.store);
        const release = await publishRelease({ ...options, app, channel }, stored, { signal });
        output.result(
          release,
          `released ${app}/${channel} release ${release.release}: version ${release.version}, ${release.imageId}`,
        );
      }),
    );
}
