/**
 * What the programs share at their edge: arguments, units, output for people and scripts, signals,
 * exit codes. No program's own work is done here, and nothing heavy is loaded: the first line of
 * output must not wait.
 */
export { describeError, exitCode, exitCodeOf, type ExitCode } from './exit-code.ts';
export * from './options.ts';
export { Output } from './output.ts';
export {
  Command,
  createProgram,
  deadlineOption,
  jsonOption,
  Option,
  runCommand,
  runProgram,
  untilAborted,
  type CommandContext,
} from './program.ts';
export type { ProgressBar } from './progress-bar.ts';
export * from './units.ts';
export { starlingVersion } from './version.ts';
export { addWebSeedOptions, webSeedsOf, type WebSeedOptions } from './web-seed-options.ts';
export { addTransportOptions, openTransport, type TransportOptions } from './transport-options.ts';
export { addJoinOptions, openMembership, type JoinOptions } from './join-options.ts';
export {
  addOperatorOptions,
  openOperatorClient,
  readAll,
  readOptionFile,
  tokenFileOption,
  trackerAuthoritiesOf,
  type OperatorOptions,
} from './operator-options.ts';
