import type { FastifyReply, FastifyRequest } from 'fastify';
import * as z from 'zod';

export type RestMethod = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

/** Who may call: whoever has an operator's token, or anybody, also over plain HTTP. */
export type RouteAccess = 'operator' | 'public';

/** One call of a route, with all that was said in it checked. */
export interface RouteCall<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The name of who calls; empty where anybody may. */
  readonly operator: string;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Adds to what observers are told of a mutation: what it was about. */
  readonly note: (details: Readonly<Record<string, unknown>>) => void;
}

export interface RouteBody<Body extends z.ZodType> {
  readonly schema: Body;
  readonly maxBytes: number;
  /** What a body that can't be used is refused with, if it is not REQUEST_INVALID. */
  readonly refuse?: (faults: readonly string[]) => Error;
}

export interface RouteAnswer<Answer extends z.ZodType> {
  readonly status: number;
  readonly description: string;
  /** Of a stream of events that of one event; a route that streams takes the reply over (hijack). */
  readonly schema: Answer;
  readonly type: 'application/json' | 'text/event-stream';
}

/** A route of the REST interface: how it is called, checked, answered and documented. */
export interface RouteDeclaration<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
  Answer extends z.ZodType = z.ZodType,
> {
  /** The operationId of OpenAPI, and what records of calls name it. */
  readonly id: string;
  readonly method: RestMethod;
  /** As OpenAPI has it: `/v1/swarms/{infoHash}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly access?: RouteAccess;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: RouteBody<Body>;
  readonly answer: RouteAnswer<Answer>;
  /** Its own refusals by status and when they come, beside those that all routes have. */
  readonly problems?: Readonly<Record<number, string>>;
}

const nothing = z.strictObject({});

/** A route with what it does. The answer is what goes out, as JSON; undefined for a taken-over reply. */
export type RouteInit<
  Params extends z.ZodObject,
  Query extends z.ZodObject,
  Body extends z.ZodType,
  Answer extends z.ZodType,
> = RouteDeclaration<Params, Query, Body, Answer> & {
  handle(
    call: RouteCall<z.output<Params>, z.output<Query>, z.output<Body>>,
  ): z.input<Answer> | undefined | Promise<z.input<Answer> | undefined>;
};

/** A route whose types are known to its own declaration alone. */
export type RestRoute = Omit<RouteDeclaration, 'params' | 'query' | 'access'> & {
  readonly access: RouteAccess;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  handle(call: RouteCall<unknown, unknown, unknown>): unknown;
};

/** Declares a route, once: its registration, checks, types and documentation come from this. */
export function defineRoute<
  Answer extends z.ZodType,
  Params extends z.ZodObject = typeof nothing,
  Query extends z.ZodObject = typeof nothing,
  Body extends z.ZodType = z.ZodUndefined,
>(init: RouteInit<Params, Query, Body, Answer>): RestRoute {
  const { params = nothing, query = nothing, access = 'operator', ...rest } = init;
  // What `handle` is called with goes through the schemas that stand beside it.
  return { ...rest, params, query, access };
}

/** An answer of JSON. */
export const jsonAnswer = <Answer extends z.ZodType>(
  schema: Answer,
  description: string,
  status = 200,
): RouteAnswer<Answer> => ({ status, description, schema, type: 'application/json' });

/** An answer of server-sent events, without end. */
export const eventsAnswer = <Answer extends z.ZodType>(
  schema: Answer,
  description: string,
): RouteAnswer<Answer> => ({ status: 200, description, schema, type: 'text/event-stream' });

/** Whether it changes something, so that it has idempotency keys and is told to observers. */
export const isMutation = ({ method }: Pick<RestRoute, 'method'>): boolean => method !== 'GET';
