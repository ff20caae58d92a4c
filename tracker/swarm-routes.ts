import type { FastifyInstance, FastifyReply } from 'fastify';
import { hostsQuerySchema, maxListed } from '../src/api/index.ts';
import type { Problem, Swarm, SwarmHosts, SwarmPeer, Swarms } from '../src/api/index.ts';
import { problem, sendProblem } from './problem.ts';
import type { ListedPeer } from './announcement.ts';
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

interface OneSwarm {
  Params: { infoHash: string };
}

const oneSwarm = '/v1/swarms/:infoHash';

/** `/v1/swarms`: who is where, and how far, for operators. */
export function addSwarmRoutes(app: FastifyInstance, components: SwarmComponents): void {
  const { swarms, watches, monotonicMs } = components;
  app.get('/v1/swarms', (): Swarms => {
    const nowMs = monotonicMs();
    const listed = swarms.swarms(maxListed, nowMs);
    return {
      total: swarms.totals(nowMs).swarms,
      swarms: listed.map((swarm) => describeCounts(swarm.infoHash, swarm)),
    };
  });
  app.get<OneSwarm>(oneSwarm, (request, reply) =>
    answerFor(request.params.infoHash, reply, (infoHash) =>
      describeSwarm(infoHash, components, monotonicMs()),
    ),
  );
  app.get<OneSwarm>(`${oneSwarm}/hosts`, (request, reply) => {
    const query = hostsQuerySchema.safeParse(readQuery(request.url));
    if (!query.success) {
      const [issue] = query.error.issues;
      const detail = `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'malformed'}`;
      return sendProblem(reply, problem(400, 'REQUEST_INVALID', detail));
    }
    return answerFor(request.params.infoHash, reply, (infoHash) => {
      const nowMs = monotonicMs();
      if (swarms.counts(infoHash, nowMs) === undefined) return undefined;
      return pageOf(swarms.hosts(infoHash, nowMs), query.data, nowMs);
    });
  });
  // A HEAD would be a watcher that is told nothing and never goes.
  app.get<OneSwarm>(`${oneSwarm}/events`, { exposeHeadRoute: false }, (request, reply) => {
    const infoHash = readInfoHash(request.params.infoHash);
    if (infoHash === undefined) return sendProblem(reply, malformed);
    if (swarms.counts(infoHash, monotonicMs()) === undefined) return sendProblem(reply, unknown);
    reply.hijack();
    watches.open(infoHash, reply.raw);
    return reply;
  });
}

const malformed: Problem = problem(
  400,
  'REQUEST_INVALID',
  'an info-hash has 40 hexadecimal digits, or 64 for all of a v2 info-hash',
);
const unknown: Problem = problem(404, 'NOT_FOUND', 'nobody is in a swarm of that info-hash');

/** @param answer undefined when nobody is in the swarm */
function answerFor(
  text: string,
  reply: FastifyReply,
  answer: (infoHash: string) => object | undefined,
): FastifyReply {
  const infoHash = readInfoHash(text);
  if (infoHash === undefined) return sendProblem(reply, malformed);
  const body = answer(infoHash);
  return body === undefined ? sendProblem(reply, unknown) : reply.send(body);
}

function readInfoHash(text: string): string | undefined {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text)) return undefined;
  return Buffer.from(text.slice(0, 40), 'hex').toString('latin1');
}

/** Elsewhere queries are bytes; these are text. */
const readQuery = (url: string): Record<string, string> =>
  Object.fromEntries(new URLSearchParams(url.split('?', 2)[1] ?? ''));

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

/** The hosts after the cursor, wherever hosts before it are now. */
function pageOf(
  hosts: Iterable<ListedHost>,
  { limit, after }: { readonly limit: number; readonly after: number },
  nowMs: number,
): SwarmHosts {
  const page: ListedHost[] = [];
  for (const host of hosts) {
    if (host.arrival <= after) continue;
    if (page.length === limit) {
      return { hosts: page.map((one) => describeHost(one, nowMs)), next: cursorAfter(page) };
    }
    page.push(host);
  }
  return { hosts: page.map((one) => describeHost(one, nowMs)) };
}

const cursorAfter = (page: readonly ListedHost[]): string => String(page.at(-1)?.arrival ?? 0);
