import { join } from 'node:path';
import * as z from 'zod';
import { isInstalled } from '../process/index.ts';
import { findPython, MeasuredProcess } from '../process/index.ts';
import type { RunningTracker } from './bench-tracker.ts';
import { loadCore, type TrackerBenchConfig, type Way } from './config.ts';

const said = z.object({
  announces: z.int(),
  seconds: z.number(),
  p99Ms: z.number().nullable(),
  errors: z.int(),
  bytes: z.number(),
});

/** What a load came to. */
export interface LoadResult {
  readonly announces: number;
  readonly seconds: number;
  readonly p99Ms: number;
  readonly bytesPerAnswer: number;
  /** The CPU time of the program that made the load. */
  readonly cpuSeconds: number;
}

export interface LoadInit {
  readonly way: Way['name'];
  readonly config: TrackerBenchConfig;
  readonly hashesPath: string;
  readonly seconds: number;
  /** It ends earlier when there were so many. UDP only. */
  readonly announces?: number;
}

/** Why a way can't be used on this machine. */
export function missingLoad(way: Way['name']): string | undefined {
  if (!isInstalled('taskset', '--version')) return 'taskset is not installed';
  return way === 'udp' || isInstalled('wrk', '-v') ? undefined : 'wrk is not installed';
}

/** Loads a tracker from the other core. @throws when anything but announces was answered */
export async function runLoad(
  tracker: RunningTracker,
  init: LoadInit,
  { signal }: { signal: AbortSignal },
): Promise<LoadResult> {
  const command = init.way === 'udp' ? udpLoad(tracker, init) : httpLoad(tracker, init);
  const pinned = ['taskset', '-c', String(loadCore), ...command] as [string, ...string[]];
  const { deadlineMs } = init.config;
  await using process = new MeasuredProcess(
    { name: `load by ${init.way}`, command: pinned, deadlineMs },
    { signal },
  );
  const line = await process.line(z.union([said, resultLine]), 'what it came to');
  const { announces, seconds, p99Ms, errors, bytes } = line.value;
  const { cpuSeconds } = await process.succeeded();
  if (errors > 0 || announces === 0) {
    throw new Error(`${init.way}: ${errors} errors, ${announces} announces answered`);
  }
  const bytesPerAnswer = bytes / announces;
  return { announces, seconds, p99Ms: p99Ms ?? Number.NaN, bytesPerAnswer, cpuSeconds };
}

const result = 'RESULT ';

const resultLine = z
  .string()
  .startsWith(result)
  .transform((text) => said.parse(JSON.parse(text.slice(result.length))));

function httpLoad({ httpPort }: RunningTracker, init: LoadInit): string[] {
  const { swarms, peers, wanted, atOnce } = init.config;
  const script = join(import.meta.dirname, 'http_load.lua');
  const connections = init.way === 'http-kept' ? 'kept' : 'closed';
  const args = [swarms, peers, wanted, connections, init.hashesPath].map(String);
  const how = ['-t1', `-c${atOnce}`, `-d${Math.ceil(init.seconds)}`, '--timeout', '10'];
  return ['wrk', ...how, '-s', script, `http://127.0.0.1:${httpPort}`, '--', ...args];
}

function udpLoad({ udpPort }: RunningTracker, init: LoadInit): string[] {
  const { swarms, peers, wanted, atOnce } = init.config;
  const { seconds, hashesPath: hashes, announces } = init;
  const asked = {
    port: udpPort,
    swarms,
    peers,
    wanted,
    seconds,
    window: atOnce,
    hashes,
    announces,
  };
  return [
    findPython(),
    '-I',
    '-S',
    join(import.meta.dirname, 'udp_load.py'),
    JSON.stringify(asked),
  ];
}
