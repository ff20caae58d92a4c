import type { FastifyBaseLogger, FastifyRequest } from 'fastify';
import type { Problem } from '../../src/api/index.ts';
import type { RestRoute } from './route.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of the operator who calls; empty at routes that anybody may call. */
    operator: string;
  }
  interface FastifyContextConfig {
    /** What was declared of a route of the REST interface. */
    rest?: RestRoute;
  }
}

/** One call that changed something, or was refused. */
export interface CallRecord {
  /** Who called; undefined where no operator was known. */
  readonly operator: string | undefined;
  /** The id of the route. */
  readonly action: string;
  readonly method: string;
  readonly route: string;
  /** The address that it came from. */
  readonly remote: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** `done`, or the code of the problem. */
  readonly outcome: string;
  readonly status: number;
  /** Why it was refused. */
  readonly reason?: string;
  /** What the change was about, as its route tells it. */
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Is told of calls, for an audit log. It must not throw: what it is told of has happened, or was
 * refused already.
 */
export interface CallObserver {
  /** A mutation was done. Repetitions under an idempotency key change nothing, and are not told. */
  onMutation(record: CallRecord): void;
  /**
   * A mutation failed or was refused, or a token was wrong. How often an address can bring a wrong
   * token is limited; who brings none, or is told to wait, is not told of here.
   */
  onRefused(record: CallRecord): void;
}

/** Writes calls to the log. */
export class LoggedCalls implements CallObserver {
  readonly #log: FastifyBaseLogger;

  constructor(components: { readonly log: FastifyBaseLogger }) {
    this.#log = components.log;
  }

  onMutation(record: CallRecord): void {
    this.#log.info(linesOf(record), 'a change was made');
  }

  onRefused(record: CallRecord): void {
    this.#log.warn({ ...linesOf(record), code: record.outcome }, 'a call was refused');
  }
}

/** The log has its own time. */
const linesOf = ({ atMs: _atMs, outcome: _outcome, details, ...record }: CallRecord) => ({
  ...details,
  ...record,
});

/** Who called what. */
export const callerOf = (
  route: RestRoute,
  { operator, method, ip }: FastifyRequest,
): Pick<CallRecord, 'operator' | 'action' | 'method' | 'route' | 'remote'> => ({
  operator: operator === '' ? undefined : operator,
  action: route.id,
  method,
  route: route.path,
  remote: ip,
});

export const refusalOf = ({
  code,
  status,
  detail,
}: Problem): Pick<CallRecord, 'outcome' | 'status' | 'reason'> => ({
  outcome: code,
  status,
  reason: detail,
});
