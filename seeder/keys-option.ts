import { readFile } from 'node:fs/promises';
import { Option } from '../src/cli/index.ts';
import { ConfigError } from '../src/errors.ts';

export const keysOption = (): Option =>
  new Option('--keys <directory>', 'where the keys and root.json are')
    .env('STARLING_KEYS')
    .default('starling-keys');

export const tokenFileOption = (): Option =>
  new Option('--token-file <file>', "the file with the tracker's bearer token").env(
    'STARLING_TOKEN_FILE',
  );

/** Reads a small text file that an option names. @throws ConfigError CONFIG_MISSING */
export async function readOptionFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_MISSING', `${what} can't be read: ${why}`, { cause });
  }
}
