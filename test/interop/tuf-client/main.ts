import { runTufClient } from './tuf-client.ts';

try {
  await runTufClient(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
