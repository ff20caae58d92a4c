import {
  deadlineOption,
  jsonOption,
  Option,
  repeatable,
  runCommand,
  type Command,
} from '../src/cli/index.ts';
import { addPublishOptions, expiresOption, outOption, thresholdOption } from './keys-option.ts';
import type { PublishInit } from './publisher.ts';
import { rotatedRoles } from './rotated-role.ts';

interface RotateOptions extends Omit<PublishInit, 'key'> {
  readonly key?: readonly string[];
  readonly rootKey?: readonly string[];
  readonly threshold: number;
  readonly deadline?: number;
  readonly json?: boolean;
}

const examples = `
Hosts need not be told: the next root is signed by the one before. "online" is the key with which the
tracker signs snapshot and timestamp. Old keys are worth nothing afterwards.

Examples:
  seeder keys rotate targets --keys ./keys --tracker http://tracker:7070 --token-file token
  seeder keys rotate online --key tracker-data/online.pub --keys ./keys --tracker http://tracker:7070 --token-file token
  seeder keys rotate root --key a.pub --key b.pub --key c.pub --threshold 2 --out next-root.json
`;

export function addKeysRotateCommand(keys: Command): void {
  addPublishOptions(
    keys
      .command('rotate')
      .description('give a role other keys, by the next root')
      .argument('<role>', `whose keys: ${rotatedRoles.join(', ')}`),
  )
    .addOption(
      repeatable(
        new Option('--key <file>', 'a public key of the role from now on; else one is made'),
      ),
    )
    .addOption(thresholdOption('how many of these keys must sign'))
    .addOption(
      repeatable(
        new Option('--root-key <file>', 'a private key of root, if it is not in the directory'),
      ),
    )
    .addOption(expiresOption('how long the new root is good'))
    .addOption(outOption())
    .addOption(deadlineOption())
    .addOption(jsonOption())
    .addHelpText('after', examples)
    .action((role: string, options: RotateOptions) =>
      runCommand(options, async ({ output, signal }) => {
        const { rotateKeys } = await import('./rotate.ts');
        const { key: newKeys = [], rootKey: rootKeys = [], ...shared } = options;
        const rotated = await rotateKeys(role, { ...shared, newKeys, rootKeys }, { signal });
        const where = rotated.newKey === undefined ? '' : `; the new key is ${rotated.newKey}`;
        output.result(
          { role, ...rotated },
          `the keys of ${role} are others from root version ${rotated.rootVersion} on${where}`,
        );
      }),
    );
}
