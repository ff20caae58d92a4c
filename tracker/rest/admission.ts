import type { Socket } from 'node:net';
import { BlockList, isIPv6 } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem, ProblemError } from '../problem.ts';
import { callerOf, refusalOf, type CallObserver } from './call-observer.ts';
import type { Operators } from './operators.ts';
import type { RestRoute } from './route.ts';
import type { WrongTokens } from './wrong-tokens.ts';

export interface AdmissionComponents {
  /** Who calls, if it is an operator. */
  readonly operators: Pick<Operators, 'identify'>;
  readonly wrongTokens: WrongTokens;
  readonly observer: CallObserver;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface AdmissionInit {
  /** Whether tokens may come in the clear from other machines. */
  readonly isInsecure: boolean;
  /** That TLS is spoken, and at which port if not at that of HTTP. */
  readonly tls: { readonly port: number | undefined } | undefined;
}

/**
 * Lets nobody at the routes that are added to `app` after this who brings no operator's token, or
 * brings it in the clear over a network. It comes before the body is read, so that a stranger can't
 * make us read one.
 */
export function admitCalls(
  app: FastifyInstance,
  components: AdmissionComponents,
  init: AdmissionInit,
): void {
  app.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.config.rest;
    if (route === undefined || route.access === 'public') return;
    refuseClear(request, init);
    request.operator = await identify(route, request, reply, components);
  });
}

/** @returns the name of the operator @throws ProblemError */
async function identify(
  route: RestRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  { operators, wrongTokens, observer, now }: AdmissionComponents,
): Promise<string> {
  const { authorization } = request.headers;
  if (authorization === undefined) throw unauthorized(reply, 'the token is missing');
  const waitMs = wrongTokens.waitMs(request.ip);
  if (waitMs > 0) {
    const detail = 'too many wrong tokens came from this address: wait before the next';
    const retryAfterSeconds = Math.ceil(waitMs / 1_000);
    throw new ProblemError(problem(429, 'TOO_MANY_WRONG_TOKENS', detail), { retryAfterSeconds });
  }
  const operator = await operators.identify(authorization, now());
  if (operator !== undefined) return operator;
  wrongTokens.note(request.ip);
  const refused = unauthorized(reply, 'the token is wrong');
  const told = { ...callerOf(route, request), ...refusalOf(refused.problem), details: {} };
  observer.onRefused({ ...told, atMs: now() });
  throw refused;
}

function unauthorized(reply: FastifyReply, said: string): ProblemError {
  // RFC 6750, "3. The WWW-Authenticate Response Header Field".
  void reply.header('www-authenticate', 'Bearer realm="starling tracker"');
  const detail = `${said}: send "authorization: Bearer TOKEN"`;
  return new ProblemError(problem(401, 'UNAUTHORIZED', detail));
}

function refuseClear({ socket }: FastifyRequest, { isInsecure, tls }: AdmissionInit): void {
  if (isInsecure || socket instanceof TLSSocket || isOfThisMachine(socket)) return;
  const where =
    tls === undefined
      ? 'start the tracker with --tls-cert and --tls-key (or, in a network that you trust, with --rest-in-clear), or call from its own machine'
      : `call by https${tls.port === undefined ? '' : `, at port ${tls.port}`}`;
  const detail = `plain HTTP would show the token to the network: ${where}`;
  throw new ProblemError(problem(403, 'TLS_REQUIRED', detail));
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether nothing that is said over it leaves this machine. */
export function isOfThisMachine({
  remoteAddress = '',
  localAddress,
}: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  if (remoteAddress === '') return false;
  if (remoteAddress === localAddress) return true;
  return loopback.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4');
}
