import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { monotonicMs, openPlace, type Place } from '../process/index.ts';
import type { BenchPeer, Done, Fetch } from './bench-peer.ts';
import type { Figures } from './figures.ts';
import { firstDifference, listTree, type Payload } from '../payload/index.ts';

export interface RunInit {
  readonly peer: BenchPeer;
  readonly payload: Payload;
  /** Where the folders of the run are made. */
  readonly directory: string;
  /** How many fetchers fetch at once. */
  readonly fetchers: number;
  /** Whether the time until all is on disk is taken, too. */
  readonly synced: boolean;
  /** How long each process may live. */
  readonly deadlineMs: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
}

/**
 * One seed, some fetchers, and what they used.
 * @throws when a process fails, or what arrived is not what was sent
 */
export async function runOnce(init: RunInit, options: RunOptions): Promise<Figures> {
  const { peer, payload, directory, fetchers: count } = init;
  const named = { name: peer.name, deadlineMs: init.deadlineMs };
  await using place = await openPlace(directory, named, options);
  const own = async (name: string): Promise<Place> => {
    const folder = join(place.directory, name);
    await mkdir(folder);
    return { directory: folder, signal: place.signal, start: place.start };
  };
  const seed = await peer.seed(payload, await own('seed'), count);
  const places: Place[] = [];
  for (let index = 0; index < count; index++) places.push(await own(`fetcher-${index}`));
  // What was written before must not be on its way to disk during the run.
  if (init.synced) await syncFileSystem(directory);
  const seedBefore = await seed.process.cpuSeconds();
  const runs = await Promise.all(places.map((at, index) => finish(seed.fetch(at, index))));
  const seedSeconds = (await seed.process.cpuSeconds()) - seedBefore;
  const doneMs = Math.max(...runs.map(({ done }) => done.atMs));
  const syncedMs = init.synced ? await syncedAt(directory, doneMs) : undefined;
  const seedEnd = await seed.process.stop();
  for (const { done } of runs) await checkTree(done.tree, payload, options);
  return toFigures({ payload, runs, seedSeconds, seedPeak: seedEnd.peakBytes, doneMs, syncedMs });
}

interface FinishedFetch {
  readonly startedMs: number;
  readonly done: Done;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly peakAnonymousBytes: number;
}

async function finish({ process, ends, done }: Fetch): Promise<FinishedFetch> {
  const startedMs = await process.startedMs();
  const word = await done;
  const cpuSeconds = ends ? undefined : await process.cpuSeconds();
  const end = ends ? await process.succeeded() : await process.stop();
  return { startedMs, done: word, ...end, cpuSeconds: cpuSeconds ?? end.cpuSeconds };
}

function toFigures(run: {
  payload: Payload;
  runs: readonly FinishedFetch[];
  seedSeconds: number;
  seedPeak: number;
  doneMs: number;
  syncedMs: number | undefined;
}): Figures {
  const { payload, runs } = run;
  const bytes = payload.bytes * runs.length;
  const startedMs = Math.min(...runs.map((one) => one.startedMs));
  const rate = (ms: number) => bytes / 2 ** 20 / (ms / 1_000);
  const gib = bytes / 2 ** 30;
  const peak = (of: 'peakBytes' | 'peakAnonymousBytes') =>
    Math.max(...runs.map((one) => one[of])) / 2 ** 20;
  const ownMs = runs.length === 1 ? runs[0]?.done.ownMs : undefined;
  return {
    mibPerSecond: rate(run.doneMs - startedMs),
    ...(ownMs === undefined ? {} : { ownMibPerSecond: rate(ownMs) }),
    ...(run.syncedMs === undefined ? {} : { syncedMibPerSecond: rate(run.syncedMs - startedMs) }),
    seederCpuSecondsPerGib: run.seedSeconds / gib,
    fetcherCpuSecondsPerGib: runs.reduce((sum, one) => sum + one.cpuSeconds, 0) / gib,
    seederPeakMib: run.seedPeak / 2 ** 20,
    fetcherPeakMib: peak('peakBytes'),
    fetcherPeakAnonymousMib: peak('peakAnonymousBytes'),
  };
}

/** Brings to disk what was written; returns when that would have been done, had it begun at once. */
async function syncedAt(directory: string, doneMs: number): Promise<number> {
  const beganMs = monotonicMs();
  await syncFileSystem(directory);
  return doneMs + (monotonicMs() - beganMs);
}

async function syncFileSystem(directory: string): Promise<void> {
  await promisify(execFile)('sync', ['--file-system', directory]);
}

async function checkTree(tree: string, payload: Payload, options: RunOptions): Promise<void> {
  const difference = firstDifference(await listTree(tree, options), payload.files);
  if (difference !== undefined) throw new Error(`what arrived is wrong: ${difference}`);
}
