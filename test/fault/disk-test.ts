import { describe } from 'vitest';
import { whyNoMounts } from './mounted-disk.ts';

/**
 * `describe` for tests that mount file systems. Where that can't be done they are skipped, and the
 * reason is printed.
 */
export async function describeWithDisks(name: string, tests: () => void): Promise<void> {
  const missing = await whyNoMounts();
  if (missing !== undefined) process.stderr.write(`skipped: ${name}: ${missing}\n`);
  describe.skipIf(missing !== undefined)(name, tests);
}
