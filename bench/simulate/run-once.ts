import { lowerBound } from '../../src/policy/index.ts';
import { median } from '../report/index.ts';
import type { SimulateConfig } from './config.ts';
import type { Plan, Scenario, Size } from './scenarios.ts';
import { Swarm, type SwarmOutcome } from './swarm.ts';

/** What one run came to. */
export interface Figures {
  readonly medianHostSeconds: number;
  readonly lastHostSeconds: number;
  readonly boundSeconds: number;
  readonly medianOverBound: number;
  readonly lastOverBound: number;
  /** What seeds sent, in images. */
  readonly seedCopies: number;
  /** What came into a rack over its uplink, in images: the mean of the racks. */
  readonly uplinkCopies?: number;
  readonly duplicatePieces: number;
  readonly events: number;
  readonly wallSeconds: number;
}

export type FigureName = keyof Figures;

/** 2 % of a link may lie idle until rates are worked out anew: enough for a hundredth in the result. */
const tolerance = 0.02;

/** Runs a scenario once. */
export async function runOnce(
  { scenario, size, config }: { scenario: Scenario; size: Size; config: SimulateConfig },
  { signal }: { readonly signal: AbortSignal },
): Promise<Figures> {
  const startMs = performance.now();
  const plan = scenario.plan(size);
  const { uploads, outstanding } = config;
  const policy = { uploads, outstanding, tolerance };
  const swarm = new Swarm({ ...plan, ...policy, graph: plan.graph(config.graph), seed: size.seed });
  const outcome = await swarm.run({ signal });
  const wallSeconds = (performance.now() - startMs) / 1_000;
  return { ...figuresOf(plan, outcome), wallSeconds };
}

function figuresOf(plan: Plan, outcome: SwarmOutcome): Omit<Figures, 'wallSeconds'> {
  const { fleet, pieces, pieceBytes } = plan;
  const sizeBytes = pieces * pieceBytes;
  const seconds: number[] = [];
  for (let host = fleet.seeds; host < fleet.hosts; host++) {
    const completed = outcome.completedSeconds[host]!;
    if (Number.isNaN(completed) || plan.odd?.has(host) === true) continue;
    seconds.push(completed - outcome.joinedSeconds[host]!);
  }
  const medianHostSeconds = median(seconds);
  const lastHostSeconds = seconds.reduce((most, value) => Math.max(most, value), 0);
  const boundSeconds = boundOf(plan);
  let seedBytes = 0;
  for (let seed = 0; seed < fleet.seeds; seed++) {
    seedBytes += outcome.carriedBytes[fleet.upLink(seed)]!;
  }
  return {
    medianHostSeconds,
    lastHostSeconds,
    boundSeconds,
    medianOverBound: medianHostSeconds / boundSeconds,
    lastOverBound: lastHostSeconds / boundSeconds,
    seedCopies: seedBytes / sizeBytes,
    ...(fleet.racks > 1 ? { uplinkCopies: uplinkCopies(plan, outcome) } : {}),
    duplicatePieces: outcome.duplicates,
    events: outcome.events,
  };
}

/**
 * Where some are odd, the bound of the others: they need not wait for those. Who comes late is held
 * against what it needs alone, since others have everything by then.
 */
function boundOf({ fleet, pieces, pieceBytes, joins, odd }: Plan): number {
  const image = { sizeBytes: pieces * pieceBytes, pieceCount: pieces };
  const topology = fleet.topology();
  if (joins !== undefined)
    return lowerBound({ ...topology, hosts: topology.hosts.slice(0, 1) }, image);
  const hosts = topology.hosts.filter((_, index) => odd?.has(index + fleet.seeds) !== true);
  return lowerBound({ ...topology, hosts }, image);
}

function uplinkCopies({ fleet, pieces, pieceBytes }: Plan, { carriedBytes }: SwarmOutcome): number {
  let bytes = 0;
  for (let rack = 0; rack < fleet.racks; rack++) bytes += carriedBytes[fleet.rackDownLink(rack)]!;
  return bytes / fleet.racks / (pieces * pieceBytes);
}
