import { spawnSync } from 'node:child_process';
import { describe, test } from 'vitest';

const isInstalled = (program: string): boolean =>
  spawnSync(program, ['--version'], { timeout: 20_000 }).error === undefined;

/**
 * `describe` for tests that need a foreign program. Where it is missing they are skipped, with the
 * reason; but not in CI, which installs it.
 */
export function describeWithProgram(program: string, name: string, tests: () => void): void {
  if (isInstalled(program)) {
    describe(name, tests);
    return;
  }
  const missing = `${program} is not installed`;
  test(name, (context) => {
    if (process.env.CI !== undefined) throw new Error(`${missing}, and in CI it must be`);
    context.skip(missing);
  });
  if (process.env.CI === undefined) process.stderr.write(`skipped: ${name}: ${missing}\n`);
}
