import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problem, ProblemError, problemOf, problemType } from '../problem.ts';
import { invalid } from './checks.ts';
import type { IdempotencyRecords, KeptAnswer } from './idempotency-records.ts';

export const idempotencyHeader = 'idempotency-key';
/** Says that an answer is that of an earlier request with the same key. */
export const replayedHeader = 'idempotency-replayed';

/** A string of RFC 8941, "3.3.3. Strings", without escapes; or the same bare, as many clients send it. */
const keyShape = /^(?:"([ !#-[\]-~]{1,200})"|([!#-+\--~]{1,200}))$/;

/**
 * The key of a request.
 * @throws ProblemError for one that is malformed or given twice
 */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const match = typeof header === 'string' ? keyShape.exec(header) : undefined;
  const key = match?.[1] ?? match?.[2];
  if (key !== undefined) return key;
  throw invalid([
    'the header idempotency-key must be a string of 1 to 200 printable characters, like "8e03978e-40d5-43dd-bc93-6894a57f9324"',
  ]);
}

/**
 * Does a request that brings a key once, however often it comes: later ones get the first answer.
 * Failures of the tracker are not kept, so that it can be tried again.
 * @param work does the request, and gives its answer
 * @throws ProblemError while the first is not answered yet (409), and for another request (422)
 */
export async function doOnce(
  request: FastifyRequest,
  reply: FastifyReply,
  records: IdempotencyRecords,
  work: () => Promise<KeptAnswer>,
): Promise<KeptAnswer> {
  const key = readIdempotencyKey(request.headers[idempotencyHeader]);
  if (key === undefined) return work();
  const id = digest([request.operator, key]);
  const begun = await records.begin(id, fingerprintOf(request));
  switch (begun.state) {
    case 'new':
      return await doAndKeep(id, records, work);
    case 'done':
      void reply.header(replayedHeader, 'true');
      return begun.answer;
    case 'inFlight':
      throw new ProblemError(
        problem(
          409,
          'IDEMPOTENCY_IN_FLIGHT',
          'the first request with this idempotency key is not answered yet: send it again a little later',
        ),
        { retryAfterSeconds: 1 },
      );
    case 'other':
      throw new ProblemError(
        problem(
          422,
          'IDEMPOTENCY_KEY_REUSED',
          'this idempotency key came with another request before: take a new key for each change, and the same only to repeat it',
        ),
      );
  }
}

async function doAndKeep(
  id: string,
  records: IdempotencyRecords,
  work: () => Promise<KeptAnswer>,
): Promise<KeptAnswer> {
  let kept: KeptAnswer | undefined;
  try {
    kept = await work();
    return kept;
  } catch (error) {
    const refused = problemOf(error);
    if (refused.status < 500 && refused.status !== 429) {
      const type = `${problemType}; charset=utf-8`;
      kept = { status: refused.status, type, body: JSON.stringify(refused) };
    }
    throw error;
  } finally {
    await records.finish(id, kept);
  }
}

const fingerprintOf = ({ method, url, body }: FastifyRequest): string =>
  digest([method, url, JSON.stringify(body) ?? '']);

const digest = (parts: readonly string[]): string => hash('sha256', JSON.stringify(parts), 'hex');
