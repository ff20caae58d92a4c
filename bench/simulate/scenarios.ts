import type { PeerGraphInit } from '../../src/policy/index.ts';
import { Fleet } from './fleet.ts';
import { joiningGraph, policyGraph, type GraphMaker } from './peer-graph.ts';
import { Random } from './random.ts';

/** How large a run is, and which one. */
export interface Size {
  /** Hosts that fetch. */
  readonly hosts: number;
  readonly pieces: number;
  readonly seed: number;
}

/** What a scenario asks for. */
export interface Plan {
  readonly fleet: Fleet;
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly graph: (init: Partial<PeerGraphInit>) => GraphMaker;
  readonly latencySeconds: readonly [number, number, number];
  readonly joins?: ReadonlyMap<number, number>;
  readonly deaths?: ReadonlyMap<number, number>;
  /** Hosts whose times are not those that are told. */
  readonly odd?: ReadonlySet<number>;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** A scenario of a fixed size has its own. */
  readonly fixedSize?: { readonly hosts: number; readonly pieces: number };
  /** The scenario that it is compared with, run by run. */
  readonly without?: string;
  plan(size: Size): Plan;
}

const pieceBytes = 1 << 20;
const hostBytesPerSecond = 125e6;
/** One way, within a rack, a zone, and beyond, in a data centre. */
const latencySeconds = [0.1e-3, 0.2e-3, 0.5e-3] as const;
/** How far the time in which hosts die or come reaches, in times that one host needs at least. */
const spreadTimes = { deaths: 1, joins: 3 };

const hostSeconds = (pieces: number): number => (pieces * pieceBytes) / hostBytesPerSecond;

const equalPlan = ({ hosts, pieces }: Size): Plan => ({
  fleet: new Fleet({ seeds: 1, hosts, hostBytesPerSecond }),
  pieces,
  pieceBytes,
  graph: policyGraph,
  latencySeconds,
});

/** Some of the hosts that fetch, drawn at random: at least one. */
function drawHosts({ hosts, seed }: Size, share: number): { drawn: number[]; random: Random } {
  const random = new Random(seed + 1_000_003);
  const order = random.shuffle(Array.from({ length: hosts }, (_, host) => host + 1));
  return { drawn: order.slice(0, Math.max(1, Math.round(hosts * share))), random };
}

function deathsPlan(size: Size): Plan {
  const { drawn, random } = drawHosts(size, 0.01);
  const within = spreadTimes.deaths * hostSeconds(size.pieces);
  const deaths = new Map(drawn.map((host) => [host, within * random.number()]));
  const graph = (init: Partial<PeerGraphInit>) => policyGraph(init, deaths);
  return { ...equalPlan(size), graph, deaths, odd: new Set(drawn) };
}

function slowPlan(size: Size): Plan {
  const { drawn } = drawHosts(size, 0.05);
  const others = new Map(drawn.map((host) => [host, hostBytesPerSecond / 4]));
  const fleet = new Fleet({ seeds: 1, hosts: size.hosts, hostBytesPerSecond, others });
  return { ...equalPlan(size), fleet, odd: new Set(drawn) };
}

function latePlan(size: Size): Plan {
  const random = new Random(size.seed + 1_000_003);
  const within = spreadTimes.joins * hostSeconds(size.pieces);
  const times = Float64Array.from({ length: size.hosts }, () => within * random.number()).sort();
  const joins = new Map([...times].map((seconds, index) => [index + 1, seconds]));
  return { ...equalPlan(size), graph: joiningGraph, joins };
}

function racksPlan({ hosts, pieces, seed }: Size): Plan {
  const racks = Math.min(100, Math.max(2, Math.round(hosts / 10)));
  const rackBytesPerSecond = ((hosts / racks) * hostBytesPerSecond) / 4;
  const fleet = new Fleet({ seeds: 1, hosts, hostBytesPerSecond, racks, rackBytesPerSecond });
  return { ...equalPlan({ hosts, pieces, seed }), fleet };
}

/**
 * The swarm bench's hosts in network namespaces: links of 10 Mbit/s, of which the payload of full
 * frames (1448 of 1514 bytes) is left.
 */
const small = {
  hostBytesPerSecond: ((10e6 / 8) * 1_448) / 1_514,
  pieceBytes: 64 << 10,
  latencySeconds: [0.05e-3, 0.1e-3, 0.1e-3],
} as const;

interface SmallInit {
  /** Links are so many times as fast. */
  readonly rateFactor?: number;
  /** How many racks there are, with uplinks oversubscribed 4:1. */
  readonly racks?: number;
}

function smallPlan({ hosts, pieces }: Size, { rateFactor = 1, racks }: SmallInit = {}): Plan {
  const { pieceBytes, latencySeconds } = small;
  const hostBytesPerSecond = small.hostBytesPerSecond * rateFactor;
  const rackBytesPerSecond = ((hosts / (racks ?? 1)) * hostBytesPerSecond) / 4;
  const fleet = new Fleet({ seeds: 1, hosts, hostBytesPerSecond, racks, rackBytesPerSecond });
  return { fleet, pieces, pieceBytes, graph: policyGraph, latencySeconds };
}

export const scenarios: readonly Scenario[] = [
  { name: 'equal', title: 'equal hosts, one seed', plan: equalPlan },
  { name: 'racks', title: 'racks whose uplinks are oversubscribed 4:1', plan: racksPlan },
  {
    name: 'deaths',
    title: '1 % of the hosts die, the others',
    without: 'equal',
    plan: deathsPlan,
  },
  {
    name: 'slow',
    title: '5 % of the hosts have a quarter of the rate, the others',
    without: 'equal',
    plan: slowPlan,
  },
  { name: 'late', title: 'hosts come one after the other', plan: latePlan },
  {
    name: 'equal-16',
    title: '16 hosts of 10 Mbit/s, 64 MiB',
    fixedSize: { hosts: 16, pieces: 1_024 },
    plan: (size) => smallPlan(size),
  },
  {
    name: 'equal-32',
    title: '32 hosts of 5 Mbit/s, 64 MiB',
    fixedSize: { hosts: 32, pieces: 1_024 },
    plan: (size) => smallPlan(size, { rateFactor: 0.5 }),
  },
  {
    name: 'two-racks',
    title: 'two racks of 8 hosts of 10 Mbit/s, uplinks oversubscribed 4:1, 64 MiB',
    fixedSize: { hosts: 16, pieces: 1_024 },
    plan: (size) => smallPlan(size, { racks: 2 }),
  },
];

/** `equal` with more and more hosts. */
export const growth = 'growth';

export const scenarioNames: readonly string[] = [...scenarios.map(({ name }) => name), growth];
