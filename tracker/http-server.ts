import type { Socket } from 'node:net';
import fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TrackerMetrics } from './metrics.ts';
import { problem, ProblemError, problemOf, sendProblem } from './problem.ts';

export interface HttpServerComponents {
  readonly log: FastifyBaseLogger;
  readonly metrics: TrackerMetrics;
}

/** How long a client may take: for its headers or TLS handshake, its whole request, and in silence. */
export const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
/** Longer than the usual announce interval, so that a connection serves many announces. */
const keepAliveTimeoutMs = 75_000;
const maxBodyBytes = 64 * 1024;
const maxHeaderBytes = 16 * 1024;

/** The same for those who only announce. */
export const frontLimits = {
  firstRequestTimeoutMs: headersTimeoutMs,
  keepAliveTimeoutMs,
  maxHeaderBytes,
};

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/**
 * The HTTP server with its limits, and what holds for every route: errors come out as problems, a
 * method that a route does not have is answered 405, and requests are counted. Routes are added
 * before `refuseOtherMethods`, which comes last.
 */
export function createHttpServer(
  components: HttpServerComponents,
  init: { readonly maxConnections: number },
): FastifyInstance {
  const app = fastify({
    loggerInstance: components.log,
    // A line a request would be a flood; refusals and failures log themselves.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    connectionTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    http: {
      headersTimeout: headersTimeoutMs,
      maxHeaderSize: maxHeaderBytes,
      // A call to the system for each connection, which `AnnounceFront` does without.
      noDelay: false,
    },
    routerOptions: {
      // Queries are read raw, where they are read: info-hashes are bytes, not text.
      querystringParser: () => ({}),
    },
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, problemOf(error));
    },
    clientErrorHandler: answerBrokenRequest,
  });
  app.server.maxConnections = init.maxConnections;
  // What is not JSON is refused; Fastify would take plain text as well.
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problem(404, 'NOT_FOUND', `there is no ${pathOf(request)} here`)),
  );
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    components.metrics.countRequest(request.method, route, reply.statusCode);
    done();
  });
  closeConnectionsOnClose(app);
  return app;
}

/** Answers 405 on every route for the methods that it does not have. */
export function refuseOtherMethods(app: FastifyInstance, routes: RouteMethods): void {
  for (const [url, taken] of routes) {
    const allow = [...taken].sort().join(', ');
    const detail = `${url} takes only ${allow}`;
    app.route({
      method: methods.filter((method) => !taken.has(method)),
      url,
      // Before the body is read: it is of no interest.
      onRequest: (_request, reply, _done) => {
        void sendProblem(reply.header('allow', allow), problem(405, 'METHOD_NOT_ALLOWED', detail));
      },
      handler: (_request, reply) => reply,
    });
  }
}

export type RouteMethods = ReadonlyMap<string, ReadonlySet<string>>;

/** Notes which methods each route has, from now on. */
export function watchRoutes(app: FastifyInstance): RouteMethods {
  const routes = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const taken = routes.get(url) ?? new Set<string>();
    for (const one of Array.isArray(method) ? method : [method]) taken.add(one);
    routes.set(url, taken);
  });
  return routes;
}

/** Closing waits for requests under way; a connection that is kept alive must not hold it up. */
function closeConnectionsOnClose(app: FastifyInstance): void {
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) void reply.header('connection', 'close');
    done(null, payload);
  });
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = problemOf(error);
  const told = { err: error, method: request.method, path: pathOf(request), remote: request.ip };
  if (body.status >= 500) request.log.error(told, 'a request failed');
  else request.log.debug(told, 'a request was refused');
  return sendProblem(reply, body, error instanceof ProblemError ? error : {});
}

/** What is not HTTP at all, or took too long, has no request and no reply yet. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 431
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 408
        : 400;
  const body = problem(status, 'REQUEST_INVALID', 'this is not a request that can be served');
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${body.title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

/** The path that was asked for, not its query, and not endless. */
const pathOf = (request: FastifyRequest): string =>
  (request.url.split('?', 1)[0] ?? '').slice(0, 200);
