import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs, openPlace, type MeasuredProcess, type OpenPlace } from '../process/index.ts';
import { firstDifference, listTree, type Payload } from '../payload/index.ts';
import { fleetBound, lateSeconds } from './bound.ts';
import { faults } from './faults.ts';
import { toFigures, type Figures } from './figures.ts';
import { ownPrefix, ShapedNetwork, type NetworkCounts } from './network/index.ts';
import { RunningSwarm, type HostEnd } from './running-swarm.ts';
import type { FleetSketch, Scenario } from './scenario.ts';
import type { OpenSwarm, Stage, StageHost, StageMachine, SwarmPeer } from './swarm-peer.ts';

export interface RunInit {
  readonly peer: SwarmPeer;
  readonly scenario: Scenario;
  readonly fleet: FleetSketch;
  readonly payload: Payload;
  /** Where the folder of the run is made. */
  readonly directory: string;
}

export interface RunOptions {
  readonly signal: AbortSignal;
}

/** What one run showed, and when each host was done. */
export interface SwarmRunRecord {
  readonly figures: Figures;
  readonly hosts: readonly HostEnd[];
}

/** How long all is left alone before the image appears, so that nothing is still starting. */
const settleMs = 1_500;
/** A swarm that has not ended after so many times the bound, and some seconds, never will. */
const patience = { swarm: 8, beyondHosts: 4, seconds: 20 } as const;
/** Longer than any run: what may live no longer is ended by the run's own deadline. */
const processDeadlineMs = 3_600_000;
/** With many processes, looking at their memory would cost what is measured. */
const sampleMs = 2_000;

/**
 * One swarm on one network, from nothing to the last host.
 * @throws when a process fails, a host is not done in time, or what arrived is not what was sent
 */
export async function runOnce(init: RunInit, options: RunOptions): Promise<SwarmRunRecord> {
  const { peer, fleet, payload } = init;
  await using network = await ShapedNetwork.open(
    {
      machines: [
        { name: 'tracker' },
        { name: 'seed', rateBytesPerSecond: fleet.seedBytesPerSecond },
        ...fleet.hosts,
      ],
      racks: fleet.racks,
    },
    options,
  );
  // Opened after the network, so that its processes have ended before that is removed.
  const named = { name: ownPrefix(), deadlineMs: processDeadlineMs, sampleMs };
  await using place = await openPlace(init.directory, named, options);
  const stage = await makeStage({ place, network, fleet, payload }, options);
  const swarm = await peer.open(stage);
  const late = new Set(fleet.hosts.filter((host) => host.late).map(({ name }) => name));
  await swarm.ready(stage.hosts.filter(({ name }) => !late.has(name)));
  await delay(settleMs, undefined, options);
  const before = await network.counts();
  const running = await appear(swarm, stage);
  const cpuBefore = await cpuSecondsOf(running.processes);
  const lateHosts = stage.hosts.filter(({ name }) => late.has(name));
  await work({ ...init, network, running, before, lateHosts }, options);
  const cpuSeconds = (await cpuSecondsOf(running.processes)) - cpuBefore;
  const wallSeconds = (monotonicMs() - running.zeroMs) / 1_000;
  const after = await network.counts();
  const ends = running.ends(payload.bytes);
  for (const process of running.processes) await process[Symbol.asyncDispose]();
  for (const tree of running.trees) await checkTree(tree, payload, options);
  const figures = toFigures({
    hosts: fleet.hosts,
    ends,
    boundSeconds: boundOf(init),
    imageBytes: payload.bytes,
    ...{ before, after, cpuSeconds, wallSeconds },
    cores: availableParallelism(),
  });
  return { figures, hosts: ends };
}

const imageOf = ({ payload: { bytes, pieces } }: RunInit) => ({
  sizeBytes: bytes,
  pieceCount: pieces,
});

const boundOf = (init: RunInit): number => fleetBound(init.fleet, imageOf(init));

async function makeStage(
  init: { place: OpenPlace; network: ShapedNetwork; fleet: FleetSketch; payload: Payload },
  { signal }: RunOptions,
): Promise<Stage> {
  const { place, network, fleet, payload } = init;
  const machine = async (name: string): Promise<StageMachine> => {
    const directory = join(place.directory, name);
    await mkdir(directory);
    const start: OpenPlace['start'] = (title, command) =>
      place.start(title, network.on(name, command));
    return { name, address: network.address(name), place: { directory, signal, start } };
  };
  const hosts: StageHost[] = [];
  for (const { name, rack } of fleet.hosts) hosts.push({ ...(await machine(name)), rack });
  return { payload, hosts, seed: await machine('seed'), tracker: await machine('tracker'), signal };
}

/** Makes the image appear to the hosts that wait for it. */
async function appear(swarm: OpenSwarm, stage: Stage): Promise<RunningSwarm> {
  const { atMs: zeroMs, seed, hosts } = await swarm.appear();
  const components = { swarm, now: monotonicMs };
  const running = new RunningSwarm(components, { zeroMs, seed, expected: stage.hosts.length });
  // Those that wait are the first of all hosts.
  for (const [index, one] of hosts.entries()) {
    const host = stage.hosts[index];
    if (host !== undefined) running.add(host, one);
  }
  return running;
}

interface WorkInit extends RunInit {
  readonly network: ShapedNetwork;
  readonly running: RunningSwarm;
  readonly before: NetworkCounts;
  readonly lateHosts: readonly StageHost[];
}

/** Waits until all hosts are done, while what is to happen happens. */
async function work(init: WorkInit, { signal }: RunOptions): Promise<void> {
  const { running, peer, fleet } = init;
  const boundSeconds = boundOf(init);
  const times = peer.swarms ? patience.swarm : fleet.hosts.length + patience.beyondHosts;
  const deadlineSeconds = boundSeconds * times + patience.seconds;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const deadline = delay(deadlineSeconds * 1_000, undefined, { signal: either }).then(() => {
    const late = running.missing(init.payload.bytes).join(', ');
    throw new Error(`not done after ${deadlineSeconds.toFixed(0)} s: ${late}`);
  });
  let happened = false;
  const events = happen(init, boundSeconds, { signal: either }).then(() => {
    happened = true;
  });
  try {
    await Promise.race([running.done, deadline, events.then(() => running.done)]);
    if (!happened) throw new Error('all hosts were done before anything had happened to them');
  } finally {
    over.abort();
    await Promise.allSettled([deadline, events]);
  }
}

async function happen(init: WorkInit, boundSeconds: number, options: RunOptions): Promise<void> {
  const { running, lateHosts, fleet, scenario, network, payload, before } = init;
  const comes = async () => {
    if (lateHosts.length === 0) return;
    const afterMs = lateSeconds(fleet, imageOf(init)) * 1_000;
    const leftMs = running.zeroMs + afterMs - monotonicMs();
    await delay(Math.max(0, leftMs), undefined, options);
    for (const host of lateHosts) running.come(host);
  };
  const fault = scenario.fault === undefined ? undefined : faults[scenario.fault];
  const context = {
    ...{ swarm: running, network, boundSeconds, imageBytes: payload.bytes },
    before: {
      hostBytes: running.hosts.reduce(
        (sum, { name }) => sum + (before.machines.get(name)?.down.bytes ?? 0),
        0,
      ),
    },
  };
  await Promise.all([comes(), fault?.(context, options)]);
}

/** The CPU time of processes so far, whether they have ended or not. */
async function cpuSecondsOf(processes: readonly MeasuredProcess[]): Promise<number> {
  const each = await Promise.all(
    processes.map(async (process) => {
      try {
        return await process.cpuSeconds();
      } catch {
        return (await process.ended()).cpuSeconds;
      }
    }),
  );
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

async function checkTree(tree: string, payload: Payload, options: RunOptions): Promise<void> {
  const difference = firstDifference(await listTree(tree, options), payload.files);
  if (difference !== undefined) throw new Error(`what arrived is wrong: ${difference}`);
}
