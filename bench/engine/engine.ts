import { statfs } from 'node:fs/promises';
import { formatBytes } from '../../src/cli/index.ts';
import { ConfigError } from '../../src/errors.ts';
import { findPython, openPlace } from '../process/index.ts';
import { thisMachine } from '../report/index.ts';
import type { BenchPeer } from './bench-peer.ts';
import { fourFetchers, scenarios, type EngineConfig, type Scenario } from './config.ts';
import type { Figures } from './figures.ts';
import { makePayload } from '../payload/index.ts';
import { allPeers } from './peers/index.ts';
import { toResult, type EngineResult, type ScenarioRounds } from './result.ts';
import { runOnce } from './run-once.ts';
import type { Contender } from './contender.ts';
import { runRounds, type Failure } from '../rounds/index.ts';

export interface EngineOptions {
  readonly signal: AbortSignal;
  /** What goes on, a line at a time. */
  readonly say: (text: string) => void;
}

const several = 4;
/** The payload's source and its copy in the store; and what the system itself needs. */
const copiesBeside = 3;

/** Compares engines on this machine. @throws ConfigError when it can't */
export async function runEngine(
  config: EngineConfig,
  { signal, say }: EngineOptions,
): Promise<EngineResult> {
  findPython();
  const { peers, skipped } = choosePeers(config.peers);
  for (const { name, reason } of skipped) say(`skipped: ${name}: ${reason}`);
  const failures: Failure[] = [];
  const found: ScenarioRounds[] = [];
  for (const { scenario, contenders } of plan(config, peers)) {
    if (contenders.length === 0) continue;
    const options = { signal, say, failures };
    found.push(await runScenario(config, scenario, contenders, options));
  }
  return toResult(found, { machine: thisMachine(), skipped, failures });
}

function choosePeers(names: readonly string[]): {
  peers: BenchPeer[];
  skipped: { name: string; reason: string }[];
} {
  const skipped: { name: string; reason: string }[] = [];
  const peers = allPeers.filter((peer) => {
    if (!names.includes(peer.name)) return false;
    const reason = peer.missing();
    if (reason !== undefined) skipped.push({ name: peer.name, reason });
    return reason === undefined;
  });
  return { peers, skipped };
}

interface Planned {
  readonly scenario: Scenario;
  readonly contenders: readonly Contender[];
}

function plan(config: EngineConfig, peers: readonly BenchPeer[]): Planned[] {
  const planned = scenarios
    .filter(({ name }) => config.scenarios.includes(name))
    .map((scenario): Planned => ({
      scenario,
      contenders: peers.map((peer) => ({ peer, fetchers: 1 })),
    }));
  const ours = peers.find((peer) => peer.ours);
  if (ours !== undefined && config.scenarios.includes(fourFetchers)) {
    planned.push({
      scenario: {
        name: fourFetchers,
        title: fourFetchers,
        payload: 'file',
        medium: 'memory',
        ratioPrefix: '',
      },
      contenders: [1, several].map((fetchers) => ({ peer: ours, fetchers })),
    });
  }
  return planned;
}

async function runScenario(
  config: EngineConfig,
  scenario: Scenario,
  contenders: readonly Contender[],
  { signal, say, failures }: EngineOptions & { failures: Failure[] },
): Promise<ScenarioRounds> {
  const { payload: kind, medium, name } = scenario;
  const parent = medium === 'memory' ? config.memoryDir : config.diskDir;
  const { deadlineMs, seed, sizeBytes, smallFiles } = config;
  const copies = copiesBeside + Math.max(...contenders.map(({ fetchers }) => fetchers));
  if (kind === 'file') await checkRoom(parent, copies * sizeBytes);
  const folder = { name: `starling-bench-${name}`, deadlineMs };
  await using place = await openPlace(parent, folder, { signal });
  say(`${name}: making the payload`);
  const payload = await makePayload({ kind, sizeBytes, smallFiles, seed }, place);
  say(`${name}: ${payload.files.length} files, ${formatBytes(payload.bytes)}`);
  const { directory } = place;
  const synced = medium === 'disk';
  const rounds = await runRounds(
    {
      scenario: name,
      contenders,
      rounds: config.rounds,
      run: ({ peer, fetchers }) =>
        runOnce({ peer, payload, directory, fetchers, synced, deadlineMs }, { signal }),
      onRun: (contender, round, figures) => {
        say(`${name}, round ${round + 1}: ${describe(contender, figures)}`);
      },
      onFailure: (failure) => {
        failures.push(failure);
        say(`FAILED: ${failure.name}, ${name}, round ${failure.round}: ${failure.message}`);
      },
    },
    { signal },
  );
  return { scenario: name, contenders: rounds };
}

function describe({ peer, fetchers }: Contender, figures: Figures): string {
  const times = fetchers === 1 ? '' : ` x${fetchers}`;
  const {
    mibPerSecond,
    seederCpuSecondsPerGib: seeder,
    fetcherCpuSecondsPerGib: fetcher,
  } = figures;
  return `${peer.name}${times} ${mibPerSecond.toFixed(0)} MiB/s, CPU s/GiB ${seeder.toFixed(2)} + ${fetcher.toFixed(2)}`;
}

async function checkRoom(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= neededBytes) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${directory} has ${formatBytes(bavail * bsize)} left and ${formatBytes(neededBytes)} are needed; choose a smaller --size or another folder`,
  );
}
