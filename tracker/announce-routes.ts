import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PeerError } from '../src/errors.ts';
import { encodeAnnounceAnswer, encodeFailure, encodeScrapeAnswer } from './announce-answer.ts';
import { parseAnnounce, parseScrape } from './announce-query.ts';
import type { AnnounceQuery } from './announce-query.ts';
import type { TrackerConfig } from './config.ts';
import { packEndpoint } from './peer-address.ts';
import type { AnnounceOutcome, TrackerMetrics } from './metrics.ts';
import type { OriginLeases } from './origin-leases.ts';
import type { Counts, SwarmTable } from './swarm-table.ts';

export interface AnnounceComponents {
  readonly swarms: SwarmTable;
  readonly origins: OriginLeases;
  readonly metrics: TrackerMetrics;
  /** Milliseconds that never run backward. */
  readonly monotonicMs: () => number;
}

/** After this many minutes a peer that found no room may ask again. */
const retryMinutes = 1;

/**
 * `GET /announce` and `GET /scrape`: the tracker as every BitTorrent client knows it. Refusals are
 * bencoded, as BEP 3 has them, with an HTTP status beside, which clients either read or ignore.
 */
export function addAnnounceRoutes(
  app: FastifyInstance,
  components: AnnounceComponents,
  config: TrackerConfig,
): void {
  // No HEAD: to ask for an answer without its body would announce all the same.
  const options = { exposeHeadRoute: false };
  app.get('/announce', options, (request, reply) =>
    answerAnnounce(request, reply, components, config),
  );
  app.get('/scrape', options, (request, reply) => answerScrape(request, reply, components));
}

function answerAnnounce(
  request: FastifyRequest,
  reply: FastifyReply,
  components: AnnounceComponents,
  config: TrackerConfig,
): FastifyReply {
  const { swarms, metrics, monotonicMs } = components;
  const startMs = performance.now();
  let query: AnnounceQuery | undefined;
  let outcome: AnnounceOutcome = 'done';
  try {
    query = parseAnnounce(request.raw.url ?? '', request.socket.remoteAddress, config);
    const nowMs = monotonicMs();
    const result = swarms.announce(query, nowMs);
    const origin = answerOrigin(components, query, nowMs);
    if (result !== 'full') {
      return bencoded(reply, encodeAnnounceAnswer(result, config, query, origin));
    }
    outcome = 'full';
    return refuse(reply.header('retry-after', retryMinutes * 60), 503, {
      reason: 'this tracker has no room for more peers: try again later',
      retryMinutes,
    });
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    outcome = 'refused';
    return refuseQuery(request, reply, error);
  } finally {
    metrics.announces.inc({ event: query?.event ?? 'unknown', outcome });
    metrics.announceDuration.observe((performance.now() - startMs) / 1_000);
  }
}

/** A host that ends uses the origin no more, whatever it says. */
function answerOrigin(components: AnnounceComponents, query: AnnounceQuery, nowMs: number) {
  const { infoHash, peerId, address, port, event } = query;
  if (query.origin === undefined) return undefined;
  const origin = { ...query.origin, wanted: query.origin.wanted && event !== 'stopped' };
  const host = `${packEndpoint(address, port)}${peerId}`;
  const answer = components.origins.answer({ infoHash, host, origin }, nowMs);
  return answer && { answer, nowMs };
}

function answerScrape(
  request: FastifyRequest,
  reply: FastifyReply,
  { swarms, monotonicMs }: AnnounceComponents,
): FastifyReply {
  try {
    const files = new Map<string, Counts>();
    for (const infoHash of parseScrape(request.raw.url ?? '')) {
      const counts = swarms.counts(infoHash, monotonicMs());
      if (counts !== undefined) files.set(infoHash, counts);
    }
    return bencoded(reply, encodeScrapeAnswer(files));
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return refuseQuery(request, reply, error);
  }
}

function refuseQuery(request: FastifyRequest, reply: FastifyReply, error: PeerError): FastifyReply {
  request.log.debug({ remote: request.ip, reason: error.message }, 'a bad query was refused');
  return refuse(reply, 400, { reason: error.message });
}

const refuse = (
  reply: FastifyReply,
  status: number,
  { reason, retryMinutes: minutes }: { reason: string; retryMinutes?: number },
): FastifyReply => bencoded(reply.code(status), encodeFailure(reason, minutes));

const bencoded = (reply: FastifyReply, body: Buffer): FastifyReply =>
  reply.type('text/plain').send(body);
