import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The command of one of our own programs. */
export function ownProgram(
  program: 'seeder' | 'tracker' | 'fetcher',
  ...args: readonly string[]
): [string, ...string[]] {
  const bin = fileURLToPath(new URL(`../../${program}/bin.js`, import.meta.url));
  return [process.execPath, bin, ...args, '--json'];
}

/** Whether a command can be run; what it says does not matter. */
export const isInstalled = (program: string, ...args: readonly string[]): boolean =>
  spawnSync(program, args, { timeout: 20_000, stdio: 'ignore' }).error === undefined;

/** Why a peer can't run of which these programs must be installed. */
export function missingProgram(...programs: readonly string[]): string | undefined {
  const missing = programs.find((program) => !isInstalled(program, '--version'));
  return missing === undefined ? undefined : `${missing} is not installed`;
}

/**
 * The Python that has libtorrent; undefined when none has. Where several are installed, Debian's
 * packages are for the one in /usr/bin.
 */
export const findLibtorrentPython = (): string | undefined =>
  ['/usr/bin/python3', 'python3'].find(
    (path) => spawnSync(path, ['-c', 'import libtorrent'], { timeout: 20_000 }).status === 0,
  );
