import { createProgram, runProgram, starlingVersion } from '../src/cli/index.ts';
import { addFetchCommand } from './fetch-command.ts';
import { addIdentityCommand } from './identity-command.ts';
import { addLimitsCommand } from './limits-command.ts';
import { addGenerationsCommand, addRollbackCommand, addStatusCommand } from './local-commands.ts';
import { addRunCommand } from './run-command.ts';
import { addSettingsCommand } from './settings-command.ts';

const examples = `
Examples:
  fetcher run --tracker http://tracker:7070 --root root.json --follow hello/stable
  fetcher status
`;

/** The fetcher program. */
export async function main(argv: readonly string[]): Promise<void> {
  const program = createProgram(
    'fetcher',
    'Runs on every host: follows channels, fetches images, verifies and activates them.',
    starlingVersion,
  );
  addRunCommand(program);
  addFetchCommand(program);
  addStatusCommand(program);
  addGenerationsCommand(program);
  addRollbackCommand(program);
  addLimitsCommand(program);
  addSettingsCommand(program);
  addIdentityCommand(program);
  program.addHelpText('after', examples);
  await runProgram(program, argv);
}
