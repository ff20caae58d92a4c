import { join } from 'node:path';
import * as z from 'zod';
import { MeasuredProcess } from '../process/index.ts';
import type { TrackerBenchConfig } from './config.ts';

const said = z.object({ heapBytesPerPeer: z.number(), residentBytesPerPeer: z.number() });

/** What the swarm table takes for a peer: of the heap after a collection, and of the whole process. */
export type MemoryFigures = z.output<typeof said>;

/** Fills a swarm table in a process of its own. */
export async function measureMemory(
  { swarms, peers, deadlineMs }: TrackerBenchConfig,
  { signal }: { signal: AbortSignal },
): Promise<MemoryFigures> {
  const child = join(import.meta.dirname, 'memory-child.ts');
  const command = [process.execPath, '--expose-gc', child, String(swarms), String(peers)] as const;
  await using run = new MeasuredProcess(
    { name: 'memory', command: [...command], deadlineMs },
    { signal },
  );
  const { value } = await run.line(said, 'what it takes');
  await run.succeeded();
  return value;
}
