import {
  deadlineOption,
  exitCode,
  jsonOption,
  Option,
  parseInteger,
  parseRate,
  type Command,
  type CommandContext,
} from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';
import { writeResults, type BenchResult } from './report/index.ts';

/** A whole number of bytes, written like the amount in a rate: `1GiB`. */
export function parseSize(text: string): number {
  const bytes = parseRate(text);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new ConfigError('CONFIG_INVALID', `"${text}" is not a size like 256MiB or 1GiB`);
}

/** Reads names with commas between them, each of which must be known. */
export const listOf =
  (known: readonly string[]) =>
  (text: string): string[] => {
    const names = text.split(',');
    const unknown = names.find((name) => !known.includes(name));
    if (unknown === undefined) return names;
    throw new ConfigError('CONFIG_INVALID', `"${unknown}" is none of ${known.join(', ')}`);
  };

/** An option that is a whole number from 1 on. */
export const countOption = (flags: string, description: string, most: number): Option =>
  new Option(flags, description).argParser((text) => parseInteger(text, 1, most));

/** Adds the options by which every bench says where its result goes, and when it gives up. */
export const addResultOptions = (command: Command): Command =>
  command
    .addOption(
      new Option('--output <directory>', 'where JSON and chart are written').default(
        'bench-results',
      ),
    )
    .addOption(deadlineOption())
    .addOption(jsonOption());

/** Without what was not asked for. */
export const given = <T>(asked: { readonly [Name in keyof T]?: T[Name] | undefined }): Partial<T> =>
  Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== undefined),
  ) as Partial<T>;

/** Writes what a bench has found, and says it last; with failures the program fails. */
export async function tellResult<
  Result extends BenchResult & { readonly failures?: readonly unknown[] },
>(
  { output }: CommandContext,
  directory: string,
  result: Result,
  shown: { readonly chart: string; readonly text: string },
): Promise<void> {
  const { json, svg } = await writeResults(directory, result, shown.chart);
  output.line(`\nwritten: ${json}, ${svg}`);
  output.result(result, shown.text);
  // They are in the result: it is still what is said last.
  if ((result.failures ?? []).length > 0) process.exitCode = exitCode.failed;
}
