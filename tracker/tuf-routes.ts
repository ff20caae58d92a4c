import { hash } from 'node:crypto';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem, sendProblem } from './problem.ts';
import { parseTufFileName } from './release-files.ts';
import type { ReleaseStore } from './release-store.ts';

const immutable = 'public, max-age=31536000, immutable';

/**
 * `GET /tuf/NAME`: the TUF repository. It needs no token: it is signed, and any mirror will do.
 *
 * Versioned files never change and come from the disk. root.json and timestamp.json come from
 * memory: what is served is what was acknowledged, and nothing that a failing disk half took.
 */
export async function addTufRoutes(app: FastifyInstance, releases: ReleaseStore): Promise<void> {
  await app.register(fastifyStatic, {
    root: releases.directory,
    serve: false,
    index: false,
    cacheControl: false,
  });
  app.get<{ Params: { name: string } }>('/tuf/:name', (request, reply) => {
    const { name } = request.params;
    const file = parseTufFileName(name);
    if (file === undefined || !releases.serves(file)) {
      const detail = 'the repository has no file of that name';
      return sendProblem(reply, problem(404, 'NOT_FOUND', detail));
    }
    switch (file.kind) {
      case 'root':
        return sendCurrent(request, reply, releases.root);
      case 'timestamp':
        return sendCurrent(request, reply, releases.current?.set.timestamp ?? '');
      case 'versioned':
        return reply.header('cache-control', immutable).sendFile(name);
    }
  });
}

/** A text that may change at any time: to be asked for each time, and sent when it has changed. */
function sendCurrent(request: FastifyRequest, reply: FastifyReply, text: string): FastifyReply {
  const etag = `"${hash('sha256', text, 'base64url')}"`;
  void reply.header('cache-control', 'no-cache').header('etag', etag);
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send();
  return reply.type('application/json').send(text);
}

/** RFC 9110, "13.1.2. If-None-Match": a list, compared weakly. */
const matches = (header: string | undefined, etag: string): boolean =>
  header?.split(',').some((one) => ['*', etag].includes(one.trim().replace(/^W\//, ''))) ?? false;
