import { statfs } from 'node:fs/promises';
import { formatBytes } from '../../src/cli/index.ts';
import { ConfigError } from '../../src/errors.ts';
import { makePayload, type Payload } from '../payload/index.ts';
import { findPython, openPlace } from '../process/index.ts';
import { thisMachine } from '../report/index.ts';
import { runRounds, type Failure } from '../rounds/index.ts';
import { fleetBound } from './bound.ts';
import type { SwarmConfig } from './config.ts';
import type { Figures } from './figures.ts';
import { missingNetwork, ownPrefix, removeLeftovers } from './network/index.ts';
import { allPeers, knowsRacks } from './peers/index.ts';
import { toResult, type ScenarioRounds, type Skipped, type SwarmResult } from './result.ts';
import { runOnce } from './run-once.ts';
import { mainScenario, sketchFleet, type Scenario } from './scenario.ts';
import type { SwarmPeer } from './swarm-peer.ts';

export interface SwarmOptions {
  readonly signal: AbortSignal;
  /** What goes on, a line at a time. */
  readonly say: (text: string) => void;
}

/** What bakes the payload has minutes for it. */
const bakeDeadlineMs = 600_000;
/** The payload and its source, and what the system itself needs. */
const copiesBeside = 3;

/** Compares swarms on this machine; where it lets us make no networks, the result only says so. */
export async function runSwarm(
  config: SwarmConfig,
  { signal, say }: SwarmOptions,
): Promise<SwarmResult> {
  const facts = {
    machine: thisMachine(),
    racksTold: knowsRacks(),
    settings: {
      sizeBytes: config.sizeBytes,
      rateBytesPerSecond: config.rateBytesPerSecond,
    },
  };
  const reason = await missingNetwork({ signal });
  if (reason !== undefined) {
    return toResult([], { ...facts, skipped: [{ name: 'swarm', reason }], failures: [] });
  }
  findPython();
  await removeLeftovers(config.directory);
  await checkRoom(config, Math.max(0, ...config.scenarios.map(({ hosts }) => hosts)));
  const { peers, skipped } = choosePeers(config.peers);
  for (const { name, reason: why } of skipped) say(`skipped: ${name}: ${why}`);
  const folder = { name: ownPrefix(), deadlineMs: bakeDeadlineMs };
  await using place = await openPlace(config.directory, folder, { signal });
  say('making the payload');
  const payload = await makePayload(
    { kind: 'file', sizeBytes: config.sizeBytes, smallFiles: 0, seed: config.seed },
    place,
  );
  say(`one image of ${formatBytes(payload.bytes)} in ${payload.pieces} pieces`);
  const failures: Failure[] = [];
  const found: ScenarioRounds[] = [];
  for (const scenario of config.scenarios) {
    const context = { config, payload, directory: place.directory, failures };
    found.push(await runScenario(scenario, peers, context, { signal, say }));
  }
  const settings = { ...facts.settings, pieceSizeBytes: payload.pieceSizeBytes };
  return toResult(found, { ...facts, settings, skipped, failures });
}

function choosePeers(names: readonly string[]): { peers: SwarmPeer[]; skipped: Skipped[] } {
  const skipped: Skipped[] = [];
  const peers = allPeers.filter((peer) => {
    if (!names.includes(peer.name)) return false;
    const reason = peer.missing();
    if (reason !== undefined) skipped.push({ name: peer.name, reason });
    return reason === undefined;
  });
  return { peers, skipped };
}

interface ScenarioContext {
  readonly config: SwarmConfig;
  readonly payload: Payload;
  readonly directory: string;
  readonly failures: Failure[];
}

async function runScenario(
  scenario: Scenario,
  peers: readonly SwarmPeer[],
  { config, payload, directory, failures }: ScenarioContext,
  { signal, say }: SwarmOptions,
): Promise<ScenarioRounds> {
  const { name } = scenario;
  const fleet = sketchFleet(scenario, config.rateBytesPerSecond);
  const { bytes: sizeBytes, pieces: pieceCount } = payload;
  const boundSeconds = fleetBound(fleet, { sizeBytes, pieceCount });
  say(`${name}: the bound is ${boundSeconds.toFixed(1)} s`);
  const contenders = await runRounds(
    {
      scenario: name,
      contenders: peers.filter((peer) => isCompared(peer, scenario)).map((peer) => ({ peer })),
      rounds: config.rounds,
      run: ({ peer }) => runOnce({ peer, scenario, fleet, payload, directory }, { signal }),
      onRun: ({ peer }, round, { figures }) => {
        say(`${name}, round ${round + 1}: ${peer.name} ${describe(figures)}`);
      },
      onFailure: (failure) => {
        failures.push(failure);
        say(`FAILED: ${failure.name}, ${name}, round ${failure.round}: ${failure.message}`);
      },
    },
    { signal },
  );
  return { scenario: name, boundSeconds, contenders };
}

/**
 * What others do when something dies is not compared. Where hosts give nothing on, the seed's link has
 * every copy in any scenario; one such run, which takes minutes, says it.
 */
const isCompared = (peer: SwarmPeer, { name, fault }: Scenario): boolean =>
  peer.ours || (fault === undefined && (peer.swarms || name === mainScenario));

function describe(figures: Figures): string {
  const { medianSeconds, lastSeconds, lastOverBound, seedCopies, cpuShare } = figures;
  const times = `median ${medianSeconds.toFixed(1)} s, last ${lastSeconds.toFixed(1)} s`;
  return `${times}, ${lastOverBound.toFixed(2)} x bound; seed ${seedCopies.toFixed(2)} copies; CPU ${(cpuShare * 100).toFixed(0)} %`;
}

async function checkRoom({ directory, sizeBytes }: SwarmConfig, hosts: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const neededBytes = (copiesBeside + hosts) * sizeBytes;
  if (bavail * bsize >= neededBytes) return;
  throw new ConfigError(
    'CONFIG_INVALID',
    `${directory} has ${formatBytes(bavail * bsize)} left and ${formatBytes(neededBytes)} are needed; choose a smaller --size or another folder`,
  );
}
