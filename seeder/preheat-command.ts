import type { FleetPreheat } from '../src/api/index.ts';
import {
  addOperatorOptions,
  openOperatorClient,
  Option,
  parsePair,
  repeatable,
  runCommand,
  storeOption,
  type Command,
  type OperatorOptions,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

interface PreheatOptions extends OperatorOptions {
  readonly store: string;
  readonly app?: string;
  readonly to?: readonly string[];
  readonly status?: boolean;
  readonly stop?: boolean;
}

const examples = `
Seed the image first: hosts fetch it at once. Called again, it means the hosts that are named then.

Examples:
  seeder preheat baf5rei… --to rack=r1 --tracker https://tracker:7070 --token-file token
  seeder preheat baf5rei… --status --tracker https://tracker:7070 --token-file token
  seeder preheat baf5rei… --stop --tracker https://tracker:7070 --token-file token
`;

export function addPreheatCommand(program: Command): void {
  addOperatorOptions(
    program
      .command('preheat')
      .description('have hosts fetch an image before it is released')
      .argument('<image>', 'image id or magnet link of an image in the store'),
  )
    .addOption(
      repeatable(new Option('--to <label=value>', 'only hosts with this label; all must hold')),
    )
    .addOption(new Option('--app <app>', "the app that it is of, if that is not the image's name"))
    .addOption(
      new Option('--status', 'change nothing; say how many have it').conflicts(['to', 'stop']),
    )
    .addOption(new Option('--stop', 'tell no more hosts to fetch it').conflicts('to'))
    .addOption(storeOption())
    .addHelpText('after', examples)
    .action((image: string, options: PreheatOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { storedImage } = await import('./image-argument.ts');
        const { readManifest } = await import('../src/image/index.ts');
        const { RolloutClient } = await import('../src/api/index.ts');
        const { imageId, tree } = await storedImage(image, options.store);
        const app = options.app ?? (await readManifest(tree)).name;
        const rollouts = new RolloutClient({ tracker: await openOperatorClient(options) });
        if (options.status === true) {
          const preheat = findPreheat(await rollouts.preheats({ signal }), { app, imageId });
          output.result(preheat, lineOf(preheat));
          return;
        }
        if (options.stop === true) {
          await rollouts.endPreheat({ app, imageId }, { signal });
          output.result({ app, imageId }, `${imageId} is preheated no more`);
          return;
        }
        const labels = Object.fromEntries(
          (options.to ?? []).map((text) => parsePair(text, 'LABEL=VALUE')),
        );
        const preheat = await rollouts.preheat({ app, imageId, labels }, { signal });
        output.result(preheat, lineOf(preheat));
      }),
    );
}

/** @throws ConfigError CONFIG_INVALID when nobody preheats it */
function findPreheat(
  preheats: readonly FleetPreheat[],
  { app, imageId }: { readonly app: string; readonly imageId: string },
): FleetPreheat {
  const found = preheats.find((one) => one.app === app && one.imageId === imageId);
  if (found !== undefined) return found;
  const what = `${imageId} of ${app} is not preheated: begin that without --status`;
  throw new ConfigError('CONFIG_INVALID', what, { evidence: { app, imageId } });
}

const lineOf = ({ imageId, hosts, complete, unreachable }: FleetPreheat): string =>
  `${imageId}: ${complete} of ${hosts} hosts have it, ${unreachable} without it are unreachable`;
