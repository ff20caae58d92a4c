import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problemOf } from '../problem.ts';
import { admitCalls, type AdmissionComponents, type AdmissionInit } from './admission.ts';
import { callerOf, refusalOf } from './call-observer.ts';
import { check, readQuery } from './checks.ts';
import { doOnce } from './idempotency.ts';
import type { IdempotencyRecords, KeptAnswer } from './idempotency-records.ts';
import { openapiRoute } from './openapi-route.ts';
import { isMutation, type RestRoute, type RouteCall } from './route.ts';

export interface RestComponents extends AdmissionComponents {
  readonly records: IdempotencyRecords;
}

type Details = Record<string, unknown>;

/**
 * Adds declared routes, and the document that describes them all (`GET /v1/openapi.json`). Who calls
 * is looked at before a body is read; what is said is checked against the declaration; a mutation is
 * done once for each idempotency key and told to the observer.
 */
export async function addRestRoutes(
  app: FastifyInstance,
  declared: readonly RestRoute[],
  components: RestComponents,
  init: AdmissionInit,
): Promise<void> {
  const routes: RestRoute[] = [...declared];
  routes.push(openapiRoute(routes));
  await app.register((v1, _options, done) => {
    v1.decorateRequest('operator', '');
    admitCalls(v1, components, init);
    for (const route of routes) addRoute(v1, route, components);
    done();
  });
}

function addRoute(app: FastifyInstance, route: RestRoute, components: RestComponents): void {
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    config: { rest: route },
    ...(route.body === undefined ? {} : { bodyLimit: route.body.maxBytes }),
    // A HEAD of a stream would be a reader that is told nothing and never goes.
    exposeHeadRoute: route.answer.type === 'application/json',
    handler: isMutation(route)
      ? (request, reply) => change(route, request, reply, components)
      : (request, reply) => read(route, request, reply),
  });
}

async function read(
  route: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const answer = await route.handle(callOf(route, request, reply, {}));
  return answer === undefined ? reply : reply.code(route.answer.status).send(answer);
}

async function change(
  route: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  { observer, records, now }: RestComponents,
): Promise<FastifyReply> {
  const details: Details = {};
  try {
    const call = callOf(route, request, reply, details);
    const { status, type, body } = await doOnce(request, reply, records, async () => {
      const answer = keptAnswer(route, await route.handle(call));
      const told = { outcome: 'done', status: answer.status, details };
      observer.onMutation({ ...callerOf(route, request), ...told, atMs: now() });
      return answer;
    });
    return await reply.code(status).type(type).send(body);
  } catch (error) {
    const refused = { ...refusalOf(problemOf(error)), details };
    observer.onRefused({ ...callerOf(route, request), ...refused, atMs: now() });
    throw error;
  }
}

const keptAnswer = ({ answer }: RestRoute, value: unknown): KeptAnswer => ({
  status: answer.status,
  type: 'application/json; charset=utf-8',
  body: value === undefined ? '' : JSON.stringify(value),
});

function callOf(
  route: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  details: Details,
): RouteCall<unknown, unknown, unknown> {
  return {
    params: check(route.params, request.params),
    query: check(route.query, readQuery(request.url)),
    body: bodyOf(route, request),
    operator: request.operator,
    request,
    reply,
    note: (more) => void Object.assign(details, more),
  };
}

function bodyOf({ body }: RestRoute, request: FastifyRequest): unknown {
  return body === undefined ? undefined : check(body.schema, request.body, body.refuse);
}
