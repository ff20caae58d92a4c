import { createProgram, runProgram, starlingVersion } from '../src/cli/index.ts';
import { addControlCommand } from './control/command.ts';
import { addEngineCommand } from './engine/command.ts';
import { addSwarmCommand } from './swarm/command.ts';
import { addTrackerCommand } from './tracker/command.ts';
import { addSimulateCommand } from './simulate/command.ts';

const program = createProgram(
  'bench',
  'Measures; prints a table, writes JSON, draws a chart.',
  starlingVersion,
);
addEngineCommand(program);
addSwarmCommand(program);
addTrackerCommand(program);
addSimulateCommand(program);
addControlCommand(program);
await runProgram(program, process.argv);
