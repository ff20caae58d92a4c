import type { FastifyInstance } from 'fastify';
import { maxListed } from '../src/api/index.ts';
import type { Swarm, SwarmPeer, SwarmSummary, Swarms } from '../src/api/index.ts';
import { endpointAddress, endpointPort } from './peer-address.ts';
import { problem, sendProblem } from './problem.ts';
import type { Counts, ListedPeer } from './announcement.ts';
import type { SwarmTable } from './swarm-table.ts';

export interface SwarmComponents {
  readonly swarms: SwarmTable;
  readonly monotonicMs: () => number;
}

/** `GET /v1/swarms` and `GET /v1/swarms/:infoHash`: who is where, for operators. */
export function addSwarmRoutes(
  app: FastifyInstance,
  { swarms, monotonicMs }: SwarmComponents,
): void {
  app.get('/v1/swarms', (): Swarms => {
    const nowMs = monotonicMs();
    const listed = swarms.swarms(maxListed, nowMs);
    return {
      total: swarms.totals(nowMs).swarms,
      swarms: listed.map((swarm) => summary(swarm.infoHash, swarm)),
    };
  });

  app.get<{ Params: { infoHash: string } }>('/v1/swarms/:infoHash', (request, reply) => {
    const nowMs = monotonicMs();
    const infoHash = shortInfoHash(request.params.infoHash);
    if (infoHash === undefined) {
      const detail = 'an info-hash has 40 hexadecimal digits, or 64 for all of a v2 info-hash';
      return sendProblem(reply, problem(400, 'REQUEST_INVALID', detail));
    }
    const counts = swarms.counts(infoHash, nowMs);
    if (counts === undefined) {
      const detail = 'nobody is in a swarm of that info-hash';
      return sendProblem(reply, problem(404, 'NOT_FOUND', detail));
    }
    const peers = swarms.peers(infoHash, maxListed, nowMs);
    const answer: Swarm = {
      ...summary(infoHash, counts),
      total: counts.seeds + counts.downloaders,
      peers: peers.map((peer) => describe(peer, nowMs)),
    };
    return reply.send(answer);
  });
}

function shortInfoHash(text: string): string | undefined {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(text)) return undefined;
  return Buffer.from(text.slice(0, 40), 'hex').toString('latin1');
}

const hex = (binary: string): string => Buffer.from(binary, 'latin1').toString('hex');

const summary = (infoHash: string, counts: Counts): SwarmSummary => ({
  infoHash: hex(infoHash),
  seeds: counts.seeds,
  downloaders: counts.downloaders,
  completed: counts.completed,
});

const describe = (peer: ListedPeer, nowMs: number): SwarmPeer => ({
  address: endpointAddress(peer.endpoint),
  port: endpointPort(peer.endpoint),
  peerId: hex(peer.peerId),
  role: peer.leftBytes === 0 ? 'seed' : 'downloader',
  transport: peer.transport,
  leftBytes: peer.leftBytes,
  lastSeenAgoMs: Math.max(0, Math.round(nowMs - peer.lastSeenMs)),
});
