import { loadavg, tmpdir } from 'node:os';
import { openPlace } from '../process/index.ts';
import { median, thisMachine } from '../report/index.ts';
import { measureChanges, type ChangeTimes } from './change-times.ts';
import type { ControlBenchConfig } from './config.ts';
import type { RunningPlane } from './control-plane.ts';
import { toResult, type ControlBenchResult, type MeasuredPlane, type Skipped } from './result.ts';
import { measureSessions, type SessionFigures } from './sessions.ts';
import { startStarling } from './starling.ts';
import { missingZookeeper, startZookeeper } from './zookeeper.ts';

export interface ControlBenchOptions {
  readonly signal: AbortSignal;
  /** What goes on, a line at a time. */
  readonly say: (text: string) => void;
}

/** With so many processes, looking at their memory often costs time that is measured. */
const sampleMs = 5_000;

/** Measures how long a change is on its way to the applications. @throws when one does not arrive */
export async function runControlBench(
  config: ControlBenchConfig,
  options: ControlBenchOptions,
): Promise<ControlBenchResult> {
  const { say } = options;
  const loadBefore = loadNow();
  const skipped: Skipped[] = [];
  const reason = missingZookeeper();
  if (reason !== undefined) {
    skipped.push({ name: 'zookeeper', reason });
    say(`skipped: zookeeper: ${reason}`);
  }
  const planes = await measurePlanes(config, reason === undefined, options);
  const sessions = config.sessions > 0 ? await runSessions(config, options) : undefined;
  const load = [loadBefore, loadNow()] as const;
  return toResult(planes, { machine: thisMachine(), load, skipped, sessions });
}

async function measurePlanes(
  config: ControlBenchConfig,
  hasZookeeper: boolean,
  { signal, say }: ControlBenchOptions,
): Promise<MeasuredPlane[]> {
  await using place = await openBenchPlace(config, signal);
  await using resources = new AsyncDisposableStack();
  say(`a tracker, and ${config.hosts} fetchers that join, are started`);
  const planes: RunningPlane[] = [resources.use(await startStarling(place, config))];
  if (hasZookeeper) {
    say(`ZooKeeper, and ${config.hosts} clients that watch, are started`);
    planes.push(resources.use(await startZookeeper(place, config)));
  }
  const warmUp = { ...config, changes: config.warmUpChanges, prefix: 'warm' };
  await measureChanges(planes, warmUp, { signal });
  say(`${config.changes} changes are made`);
  const before = await cpuOf(planes);
  const times = await measureChanges(planes, { ...config, prefix: 'db' }, { signal });
  const after = await cpuOf(planes);
  const usedSeconds = after.map((seconds, index) => seconds - (before[index] ?? 0));
  return await Promise.all(
    planes.map((plane, index) => describe(plane, times[index] ?? [], usedSeconds[index] ?? 0)),
  );
}

async function runSessions(
  config: ControlBenchConfig,
  { signal, say }: ControlBenchOptions,
): Promise<SessionFigures> {
  await using place = await openBenchPlace(config, signal);
  return await measureSessions(place, config, say);
}

const openBenchPlace = ({ deadlineMs }: ControlBenchConfig, signal: AbortSignal) =>
  openPlace(tmpdir(), { name: 'starling-bench-control', deadlineMs, sampleMs }, { signal });

const loadNow = (): number => loadavg()[0] ?? 0;

const cpuOf = (planes: readonly RunningPlane[]): Promise<number[]> =>
  Promise.all(planes.map(({ server }) => server.cpuSeconds()));

async function describe(
  { name, ours, server, hosts }: RunningPlane,
  times: readonly ChangeTimes[],
  serverCpuSeconds: number,
): Promise<MeasuredPlane> {
  const hostBytes = await Promise.all(hosts.map((host) => host.residentBytes()));
  return {
    ...{ name, ours, times, serverCpuSeconds },
    hosts: hosts.length,
    serverBytes: await server.residentBytes(),
    hostBytes: median(hostBytes),
  };
}
