import type { FastifyInstance } from 'fastify';
import {
  announceBatchSchema,
  announcesPath,
  type AnnounceBatch,
  type AnnounceBatchAnswer,
  type SwarmAnswer,
  type SwarmClaim,
} from '../src/swarm/index.ts';
import type { ListedPeer } from './announcement.ts';
import type { Announced, Announcer, OriginQuery } from './announcer.ts';
import type { TrackerMetrics } from './metrics.ts';
import { endpointAddress, endpointPort, packAddress } from './peer-address.ts';
import { problem, sendProblem } from './problem.ts';

export interface BatchComponents {
  readonly announcer: Announcer;
  readonly metrics: TrackerMetrics;
}

const maxBodyBytes = 1 << 20;
/** Clients of other kinds that a plain host is told of beside its ties. */
const othersWanted = 8;
const refused = 'this tracker has no room for more peers: try again later';

/** `POST /announces`: all swarms of a host of the fleet at once, see docs/tracker.md. */
export function addBatchRoutes(app: FastifyInstance, components: BatchComponents): void {
  app.post(announcesPath, { bodyLimit: maxBodyBytes }, (request, reply) => {
    const batch = announceBatchSchema.safeParse(request.body);
    if (!batch.success) {
      components.metrics.countAnnounce('unknown', 'refused');
      const [issue] = batch.error.issues;
      const where = issue?.path.map(String).join('.') ?? '';
      const detail = `the announce can't be used: ${where}: ${issue?.message ?? 'it is malformed'}`;
      return sendProblem(reply, problem(400, 'REQUEST_INVALID', detail));
    }
    const address = packAddress(request.raw.socket.remoteAddress ?? '');
    if (address === undefined) {
      const detail = 'your address is neither IPv4 nor IPv6';
      return sendProblem(reply, problem(400, 'REQUEST_INVALID', detail));
    }
    return reply.send(answerBatch(batch.data, address, components));
  });
}

function answerBatch(
  batch: AnnounceBatch,
  address: string,
  { announcer, metrics }: BatchComponents,
): AnnounceBatchAnswer {
  let intervalMs = Infinity;
  const swarms = batch.swarms.map((claim) => {
    const query = toQuery(batch, claim, address);
    const announced = announcer.announce(query);
    metrics.countAnnounce(query.event, announced.result === 'full' ? 'full' : 'done');
    intervalMs = Math.min(intervalMs, announced.intervalMs);
    return toAnswer(claim, announced, announcer, query);
  });
  return { intervalMs, swarms };
}

function toQuery(batch: AnnounceBatch, claim: SwarmClaim, address: string): OriginQuery {
  const { zone, rack, host, port, sealed } = batch;
  const { leftBytes, event, origin, progress, missing } = claim;
  return {
    infoHash: binary(claim.infoHash),
    address,
    port,
    peerId: binary(batch.peerId),
    leftBytes,
    event: event ?? 'none',
    // In a sealed swarm there are hosts of the fleet only, and all hang together by their ties.
    wanted: sealed ? 0 : othersWanted,
    transport: sealed ? 'sealed' : 'plain',
    standing: { place: { zone, rack }, host, progress },
    missing,
    origin,
  };
}

function toAnswer(
  { infoHash }: SwarmClaim,
  { result, nowMs, intervalMs }: Announced,
  announcer: Announcer,
  query: OriginQuery,
): AnnounceBatchAnswer['swarms'][number] {
  if (result === 'full') return { infoHash, refused };
  const { seeds, downloaders, slots, ties = [], spares = [] } = result;
  const others = result.peers.filter((peer) => peer.standing === undefined);
  return {
    infoHash,
    seeds,
    downloaders,
    intervalMs,
    peers: [...ties, ...others].map(describe),
    spares: spares.length === 0 ? undefined : spares.map(describe),
    slots: [slots?.[0] ?? null, slots?.[1] ?? null],
    origin: toOrigin(announcer.answerOrigin(query, nowMs), nowMs),
  };
}

const describe = ({ endpoint, leftBytes }: ListedPeer): SwarmAnswer['peers'][number] => ({
  host: endpointAddress(endpoint),
  port: endpointPort(endpoint),
  isWhole: leftBytes === 0,
});

function toOrigin(
  answer: ReturnType<Announcer['answerOrigin']>,
  nowMs: number,
): SwarmAnswer['origin'] {
  if (answer === undefined || 'waitMs' in answer) return answer;
  const { slot, slots, bytes, expiresMs } = answer;
  return { slot, slots: [...slots], bytes, expiresInMs: Math.max(0, expiresMs - nowMs) };
}

const binary = (hex: string): string => Buffer.from(hex, 'hex').toString('latin1');
