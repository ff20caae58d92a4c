import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatDuration, runCommand } from '../../src/cli/index.ts';
import { removeTree } from '../../src/image/index.ts';
import { runDemo } from './demo.ts';

/** Something is wrong when it takes longer than this. */
const deadlineMs = 300_000;

const startedMs = performance.now();
await runCommand({ json: false, deadline: deadlineMs }, async ({ output, signal }) => {
  const directory = await mkdtemp(join(tmpdir(), 'starling-demo-'));
  const resources = new AsyncDisposableStack();
  try {
    const ended = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error);
      });
    });
    await Promise.race([
      runDemo(directory, resources, (text) => {
        output.line(text);
      }),
      ended,
    ]);
  } finally {
    await resources.disposeAsync();
    await removeTree(directory);
  }
  const took = formatDuration(performance.now() - startedMs);
  output.line(`\nDone in ${took}: baked, swarmed, verified, activated, updated, and gone back.`);
});
