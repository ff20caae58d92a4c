import { Command, CommanderError, Option as PlainOption } from 'commander';
import { ConfigError, DeadlineError } from '../errors.ts';
import { exitCode, exitCodeOf } from './exit-code.ts';
import { Output } from './output.ts';
import { parseDuration } from './units.ts';

export { Command };

/** An option that is named when its value can't be used: that may come from a variable. */
export class Option extends PlainOption {
  override argParser<T>(parse: (value: string, previous: T) => T): this {
    return super.argParser<T>((value, previous) => {
      try {
        return parse(value, previous);
      } catch (cause) {
        if (!(cause instanceof ConfigError)) throw cause;
        const names = [this.long, this.envVar].filter((name) => name !== undefined).join(' or ');
        throw new ConfigError(cause.code, `${names}: ${cause.message}`, { cause });
      }
    });
  }
}

/** What a command is given beside its own options. */
export interface CommandContext {
  readonly output: Output;
  /** Aborted by SIGINT, SIGTERM and SIGHUP, and when the deadline passes. */
  readonly signal: AbortSignal;
}

/** A program with the manners that all of them share. */
export function createProgram(name: string, description: string, version: string): Command {
  return new Command(name)
    .description(description)
    .version(version, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .showHelpAfterError('(--help tells more)')
    .exitOverride();
}

export const jsonOption = (): Option =>
  new Option('--json', 'the last line on stdout is one JSON object').env('STARLING_JSON');

export const deadlineOption = (): Option =>
  new Option('--deadline <duration>', 'give up after this long, with exit code 4')
    .argParser(parseDuration)
    .env('STARLING_DEADLINE');

/**
 * Runs a program to its end and sets the exit code. The first SIGINT, SIGTERM or SIGHUP asks the command
 * to end, the second ends the process.
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  for (const command of allCommands(program)) command.exitOverride();
  process.stdout.on('error', ignoreClosedPipe);
  process.stderr.on('error', ignoreClosedPipe);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    const json = argv.includes('--json') || 'STARLING_JSON' in process.env;
    const output = new Output({}, { json });
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? exitCode.done : exitCode.usage;
      // What people need to know was printed by commander.
      if (json && error.exitCode !== 0) output.result({ error: describeUsage(error) }, '');
      return;
    }
    output.error(error);
    process.exitCode = exitCodeOf(error);
  }
}

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does the work of a command, with signals and deadline, and turns what it throws into words and
 * an exit code. A command that is ended by a signal has not failed if `endless`.
 */
export async function runCommand(
  init: {
    readonly json?: boolean | undefined;
    readonly deadline?: number | undefined;
    readonly endless?: boolean;
  },
  work: (context: CommandContext) => Promise<void>,
): Promise<void> {
  const output = new Output({}, { json: init.json === true });
  const ending = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(exitCode.failed);
    ending.abort(new Error(`ended by ${name}`));
  };
  for (const name of endSignals) process.on(name, onSignal);
  const timer = init.deadline === undefined ? undefined : setTimeout(onDeadline, init.deadline);
  function onDeadline(): void {
    ending.abort(
      new DeadlineError('DEADLINE_PASSED', 'the deadline has passed before it was done'),
    );
  }
  try {
    await work({ output, signal: ending.signal });
  } catch (error) {
    const reason: unknown = ending.signal.aborted ? ending.signal.reason : undefined;
    if (init.endless === true && ending.signal.aborted) {
      output.result({ event: 'ended' }, 'ended before it had started');
      return;
    }
    output.error(reason ?? error);
    process.exitCode = exitCodeOf(reason ?? error);
  } finally {
    clearTimeout(timer);
    for (const name of endSignals) process.off(name, onSignal);
  }
}

function describeUsage({ code, message }: CommanderError): { code: string; message: string } {
  const asked = code === 'commander.help' ? 'a command is missing' : message;
  return { code: 'CONFIG_INVALID', message: `${asked.replace(/^error: /, '')}; --help tells more` };
}

/** Waits until the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
}

function* allCommands(command: Command): Generator<Command> {
  yield command;
  for (const inner of command.commands) yield* allCommands(inner);
}

/** Who reads our output may stop reading; that is no reason to fail. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
