import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPlace } from '../process/index.ts';
import type { BenchTracker } from './bench-tracker.ts';
import { trackerCore, type TrackerBenchConfig, type Way } from './config.ts';
import { runLoad } from './load.ts';

/** What one run gave. */
export interface TrackerFigures {
  readonly announcesPerSecond: number;
  readonly p99Ms: number;
  /** How much of its core the tracker used, and the load of its own: who is at 1 was the limit. */
  readonly busy: number;
  readonly loadBusy: number;
  /** Announces for each second of CPU time of the tracker: what a core does that is all its own. */
  readonly announcesPerCpuSecond: number;
  readonly bytesPerAnswer: number;
}

/** How long all peers may take to announce themselves for the first time. */
const fillSeconds = 60;

/** Starts a tracker, makes all peers known to it, and loads it in one way. */
export async function runOnce(
  tracker: BenchTracker,
  way: Way['name'],
  config: TrackerBenchConfig,
  { signal }: { signal: AbortSignal },
): Promise<TrackerFigures> {
  const { deadlineMs, peers, seconds, warmUpSeconds } = config;
  await using place = await openPlace(
    tmpdir(),
    { name: 'starling-bench-tracker', deadlineMs },
    { signal },
  );
  const hashesPath = join(place.directory, 'hashes');
  await writeFile(hashesPath, infoHashes(config.swarms));
  const running = await tracker.start({
    directory: place.directory,
    hashesPath,
    signal,
    start: (name, command) => place.start(name, ['taskset', '-c', String(trackerCore), ...command]),
  });
  const load = { config, hashesPath };
  await runLoad(
    running,
    { ...load, way: 'udp', seconds: fillSeconds, announces: peers },
    { signal },
  );
  await runLoad(running, { ...load, way, seconds: warmUpSeconds }, { signal });
  const before = await running.process.cpuSeconds();
  const done = await runLoad(running, { ...load, way, seconds }, { signal });
  const cpuSeconds = (await running.process.cpuSeconds()) - before;
  return {
    announcesPerSecond: done.announces / done.seconds,
    p99Ms: done.p99Ms,
    busy: cpuSeconds / done.seconds,
    loadBusy: done.cpuSeconds / done.seconds,
    announcesPerCpuSecond: done.announces / cpuSeconds,
    bytesPerAnswer: done.bytesPerAnswer,
  };
}

/** A line each; without the last line's end opentracker crashes. */
const infoHashes = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) => `${createHash('sha1').update(`swarm ${index}`).digest('hex')}\n`,
  ).join('');
