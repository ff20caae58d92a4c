import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Problem } from '../src/api/index.ts';
import { isStarlingError } from '../src/errors.ts';

export const problemType = 'application/problem+json';

/** What a failed request is answered with (RFC 9457). The title is that of the status. */
export const problem = (status: number, code: string, detail: string): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
});

/** Ends a request with a problem, wherever it is thrown. */
export class ProblemError extends Error {
  readonly problem: Problem;
  /** When to come again, in seconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(body: Problem, init: { readonly retryAfterSeconds?: number } = {}) {
    super(body.detail);
    this.name = 'ProblemError';
    this.problem = body;
    this.retryAfterSeconds = init.retryAfterSeconds;
  }
}

/** The status of each code of our own errors that may come out of a request. */
const statuses: Readonly<Record<string, number>> = {
  CONFIG_INVALID: 400,
  CONFIG_MISSING: 400,
  CONFIG_IN_USE: 409,
  CONFIG_NEEDS_UNMET: 400,
  PEER_PROTOCOL: 400,
  PEER_BAD_BLOCK: 400,
  PEER_BAD_METADATA: 400,
  PEER_CLOSED: 400,
  PEER_TIMEOUT: 400,
  PEER_IDENTITY: 403,
  PEER_NOT_MEMBER: 403,
  REPOSITORY_MALFORMED: 400,
  REPOSITORY_SIGNATURE: 403,
  REPOSITORY_EXPIRED: 403,
  REPOSITORY_MIX_AND_MATCH: 403,
  REPOSITORY_NO_RELEASE: 404,
  REPOSITORY_ROLLBACK: 409,
  STORAGE_NO_SPACE: 503,
  STORAGE_FAILED: 503,
  STORAGE_CORRUPT: 503,
  STORE_CONFLICT: 409,
  STORE_TOO_LARGE: 413,
  STORE_TAMPERED: 500,
  STORE_READ_ONLY: 503,
  STORE_FAILED: 503,
};

/** Fastify's own errors, by status: what is told of them, in our words and with our codes. */
const requestFaults: Readonly<Record<number, readonly [code: string, detail: string]>> = {
  400: ['REQUEST_INVALID', 'the request could not be understood'],
  413: ['REQUEST_TOO_LARGE', 'the body is larger than is allowed here'],
  414: ['REQUEST_TOO_LARGE', 'the URL is longer than is allowed'],
  415: ['REQUEST_MEDIA_TYPE', 'the body must be application/json'],
  503: ['TRACKER_CLOSING', 'the tracker is about to stop: try again soon, or ask another'],
};

/** What an error comes out as. Of what we did not foresee, only that it happened is told. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (isStarlingError(error)) {
    const status = statuses[error.code];
    if (status !== undefined) return problem(status, error.code, error.message);
  }
  const status = statusOf(error);
  const fault = requestFaults[status];
  if (fault !== undefined) return problem(status, ...fault);
  if (status < 500) return problem(status, 'REQUEST_INVALID', 'the request was refused');
  return problem(500, 'INTERNAL', 'the tracker failed at this request; its log says how');
}

/** After so long it is worth asking again who could not answer just now. */
const retryAfterSeconds = 5;

export function sendProblem(
  reply: FastifyReply,
  body: Problem,
  init: { readonly retryAfterSeconds?: number | undefined } = {},
): FastifyReply {
  const again = init.retryAfterSeconds ?? (body.status === 503 ? retryAfterSeconds : undefined);
  if (again !== undefined) void reply.header('retry-after', again);
  return reply.code(body.status).type(problemType).send(body);
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500;
}
