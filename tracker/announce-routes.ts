import type { FastifyInstance, FastifyReply } from 'fastify';
import { retryMinutes, type BencodedAnswer, type HttpAnnounces } from './http-announces.ts';
import { packAddress } from './peer-address.ts';

/** `GET /announce` and `GET /scrape`, for those that `AnnounceFront` hands on. */
export function addAnnounceRoutes(app: FastifyInstance, announces: HttpAnnounces): void {
  // No HEAD: to ask for an answer without its body would announce all the same.
  const options = { exposeHeadRoute: false };
  app.get('/announce', options, ({ raw }, reply) =>
    send(reply, announces.announce(raw.url ?? '', packAddress(raw.socket.remoteAddress ?? ''))),
  );
  app.get('/scrape', options, ({ raw }, reply) => send(reply, announces.scrape(raw.url ?? '')));
}

function send(reply: FastifyReply, { status, body }: BencodedAnswer): FastifyReply {
  if (status === 503) void reply.header('retry-after', retryMinutes * 60);
  return reply.code(status).type('text/plain').send(Buffer.from(body, 'latin1'));
}
