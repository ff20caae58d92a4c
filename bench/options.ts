import { parseRate } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

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
