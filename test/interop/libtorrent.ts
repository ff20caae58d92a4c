import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { JsonProcess } from './json-process.ts';

const missing = 'python3-libtorrent is not installed';

/** Where several Pythons are installed, Debian's packages are for the one in /usr/bin. */
const interpreter = ['/usr/bin/python3', 'python3'].find(
  (path) => spawnSync(path, ['-c', 'import libtorrent'], { timeout: 20_000 }).status === 0,
);

/**
 * `describe` for tests that need libtorrent. Where it is missing they are skipped, with the reason;
 * but not in CI, which installs it: there a check that does not run must not look like one that
 * passed.
 */
export function describeWithLibtorrent(name: string, tests: () => void): void {
  if (interpreter !== undefined) {
    describe(name, tests);
  } else if (process.env.CI !== undefined) {
    test(name, () => {
      throw new Error(`${missing}, and in CI it must be`);
    });
  } else {
    test(name, (context) => {
      context.skip(missing);
    });
    process.stderr.write(`skipped: ${name}: ${missing}\n`);
  }
}

/** Starts one of the Python programs of this folder. */
export function startPython(program: string): JsonProcess {
  if (interpreter === undefined) throw new Error(missing);
  return new JsonProcess(interpreter, [join(import.meta.dirname, program)]);
}
