import { createProgram, runProgram, starlingVersion } from '../src/cli/index.ts';
import { addBakeCommand } from './bake-command.ts';
import { addIdentityCommand } from './identity-command.ts';
import { addGatewayCommand } from './gateway-command.ts';
import { addInspectCommand } from './inspect-command.ts';
import { addPreheatCommand } from './preheat-command.ts';
import { addKeysCommand } from './keys-command.ts';
import { addReleaseCommand } from './release-command.ts';
import { addSeedCommand } from './seed-command.ts';
import { addTorrentCommand } from './torrent-command.ts';

const examples = `
Examples:
  seeder bake ./build --name hello --version 1.4.2
  seeder seed --tracker http://tracker:7070
  seeder release hello stable baf5rei… --tracker http://tracker:7070 --token-file token
`;

/** The seeder program. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram(
    'seeder',
    'Bakes images, seeds them, and signs releases.',
    starlingVersion,
  );
  addBakeCommand(program);
  addInspectCommand(program);
  addSeedCommand(program);
  addReleaseCommand(program);
  addKeysCommand(program);
  addPreheatCommand(program);
  addIdentityCommand(program);
  addTorrentCommand(program);
  addGatewayCommand(program);
  program.addHelpText('after', examples);
  await runProgram(program, argv);
}
