import * as z from 'zod';
import {
  hostsQuerySchema,
  maxListed,
  swarmEventSchema,
  swarmHostsSchema,
  swarmSchema,
  swarmsSchema,
} from '../src/api/index.ts';
import type { Swarm, SwarmPeer } from '../src/api/index.ts';
import type { ListedPeer } from './announcement.ts';
import { problem, ProblemError } from './problem.ts';
import {
  defineRoute,
  eventsAnswer,
  jsonAnswer,
  linkNext,
  pageOf,
  type RestRoute,
} from './rest/index.ts';
import {
  describeCounts,
  describeEndpoint,
  describeHost,
  hex,
  summarizeSwarm,
} from './swarm-progress.ts';
import type { ListedHost, SwarmTable } from './swarm-table.ts';
import type { SwarmWatches } from './swarm-watches.ts';

export interface SwarmComponents {
  readonly swarms: SwarmTable;
  readonly watches: SwarmWatches;
  readonly monotonicMs: () => number;
}

const tag = 'swarms';
const oneSwarm = '/v1/swarms/{infoHash}';

/** The info-hash of a swarm, parsed as announces have it: its first 20 bytes. */
const swarmParams = z.strictObject({
  infoHash: z
    .string()
    .regex(
      /^(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$/,
      'an info-hash has 40 hexadecimal digits, or 64 for all of a v2 info-hash',
    )
    .transform((text) => Buffer.from(text.slice(0, 40), 'hex').toString('latin1')),
});

const problems = { 404: 'Nobody is in a swarm of that info-hash.' };

/** `/v1/swarms`: who is where, and how far, for operators. */
export const swarmRoutes = (components: SwarmComponents): readonly RestRoute[] => [
  listSwarms(components),
  getSwarm(components),
  listHosts(components),
  watchSwarm(components),
];

const listSwarms = ({ swarms, monotonicMs }: SwarmComponents): RestRoute =>
  defineRoute({
    id: 'listSwarms',
    method: 'GET',
    path: '/v1/swarms',
    tag,
    summary: 'All swarms: how many have the image, fetch it, became complete',
    answer: jsonAnswer(swarmsSchema, `How many there are, and up to ${maxListed} of them.`),
    handle: () => {
      const nowMs = monotonicMs();
      const listed = swarms.swarms(maxListed, nowMs);
      return {
        total: swarms.totals(nowMs).swarms,
        swarms: listed.map((swarm) => describeCounts(swarm.infoHash, swarm)),
      };
    },
  });

const getSwarm = (components: SwarmComponents): RestRoute =>
  defineRoute({
    id: 'getSwarm',
    method: 'GET',
    path: oneSwarm,
    tag,
    summary: 'A swarm, its peers, and how far the hosts of the fleet are in sum',
    params: swarmParams,
    answer: jsonAnswer(swarmSchema, 'The swarm.'),
    problems,
    handle: ({ params }) => {
      const swarm = describeSwarm(params.infoHash, components, components.monotonicMs());
      if (swarm === undefined) throw unknown();
      return swarm;
    },
  });

const listHosts = ({ swarms, monotonicMs }: SwarmComponents): RestRoute =>
  defineRoute({
    id: 'listSwarmHosts',
    method: 'GET',
    path: `${oneSwarm}/hosts`,
    tag,
    summary: 'The hosts of the fleet in a swarm, one by one',
    description:
      'Those first that came first. Each host that stays is in one page, whatever comes and goes.',
    params: swarmParams,
    query: hostsQuerySchema,
    answer: jsonAnswer(swarmHostsSchema, 'A page of them.'),
    problems,
    handle: ({ params: { infoHash }, query, request, reply }) => {
      const nowMs = monotonicMs();
      if (swarms.counts(infoHash, nowMs) === undefined) throw unknown();
      const following = hostsAfter(swarms.hosts(infoHash, nowMs), Number(query.after ?? 0));
      const { items, next } = pageOf(following, query, ({ arrival }) => String(arrival));
      linkNext(request, reply, next);
      const hosts = items.map((host) => describeHost(host, nowMs));
      return next === undefined ? { hosts } : { hosts, next };
    },
  });

const watchSwarm = ({ swarms, watches, monotonicMs }: SwarmComponents): RestRoute =>
  defineRoute({
    id: 'watchSwarm',
    method: 'GET',
    path: `${oneSwarm}/events`,
    tag,
    summary: 'What changes in a swarm, as it happens',
    params: swarmParams,
    answer: eventsAnswer(swarmEventSchema, 'Events, until nobody is in the swarm.'),
    problems,
    handle: ({ params: { infoHash }, reply }) => {
      if (swarms.counts(infoHash, monotonicMs()) === undefined) throw unknown();
      reply.hijack();
      watches.open(infoHash, reply.raw);
      return undefined;
    },
  });

const unknown = (): ProblemError =>
  new ProblemError(problem(404, 'NOT_FOUND', 'nobody is in a swarm of that info-hash'));

/** The hosts after the cursor, wherever hosts before it are now. */
function* hostsAfter(hosts: Iterable<ListedHost>, arrival: number): Generator<ListedHost> {
  for (const host of hosts) {
    if (host.arrival > arrival) yield host;
  }
}

function describeSwarm(
  infoHash: string,
  { swarms }: SwarmComponents,
  nowMs: number,
): Swarm | undefined {
  const summary = summarizeSwarm(swarms, infoHash, nowMs);
  if (summary === undefined) return undefined;
  const peers = swarms.peers(infoHash, maxListed, nowMs);
  return {
    ...summary,
    total: summary.seeds + summary.downloaders,
    peers: peers.map((peer) => describePeer(peer, nowMs)),
  };
}

const describePeer = (peer: ListedPeer, nowMs: number): SwarmPeer => ({
  ...describeEndpoint(peer.endpoint),
  peerId: hex(peer.peerId),
  role: peer.leftBytes === 0 ? 'seed' : 'downloader',
  transport: peer.transport,
  leftBytes: peer.leftBytes,
  lastSeenAgoMs: Math.max(0, Math.round(nowMs - peer.lastSeenMs)),
});
