import { STATUS_CODES } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Problem } from '../src/api/index.ts';
import {
  ConfigError,
  PeerError,
  RepositoryError,
  StorageError,
  StoreError,
} from '../src/errors.ts';

export const problemType = 'application/problem+json';

/** What a failed request is answered with (RFC 9457). The title is that of the status. */
export const problem = (status: number, code: string, detail: string): Problem => ({
  type: 'about:blank',
  title: STATUS_CODES[status] ?? 'Error',
  status,
  detail,
  code,
});

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
  if (error instanceof RepositoryError) {
    return problem(repositoryStatus(error), error.code, error.message);
  }
  if (error instanceof ConfigError || error instanceof PeerError) {
    return problem(400, error.code, error.message);
  }
  if (error instanceof StorageError) return problem(503, error.code, error.message);
  if (error instanceof StoreError) return problem(storeStatus(error), error.code, error.message);
  const status = statusOf(error);
  const fault = requestFaults[status];
  if (fault !== undefined) return problem(status, ...fault);
  if (status < 500) return problem(status, 'REQUEST_INVALID', 'the request was refused');
  return problem(500, 'INTERNAL', 'the tracker failed at this request; its log says how');
}

export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  return reply.code(body.status).type(problemType).send(body);
}

function repositoryStatus(error: RepositoryError): number {
  switch (error.code) {
    case 'REPOSITORY_ROLLBACK':
      return 409;
    case 'REPOSITORY_MALFORMED':
      return 400;
    case 'REPOSITORY_NO_RELEASE':
      return 404;
    case 'REPOSITORY_SIGNATURE':
    case 'REPOSITORY_EXPIRED':
    case 'REPOSITORY_MIX_AND_MATCH':
      return 403;
  }
}

function storeStatus(error: StoreError): number {
  switch (error.code) {
    case 'STORE_CONFLICT':
      return 409;
    case 'STORE_TOO_LARGE':
      return 413;
    case 'STORE_READ_ONLY':
    case 'STORE_FAILED':
      return 503;
    case 'STORE_TAMPERED':
      return 500;
  }
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' && status >= 400 && status <= 599 ? status : 500;
}
