import type { FastifyInstance } from 'fastify';
import type { AccessToken } from './access-token.ts';
import { problem, sendProblem } from './problem.ts';

/**
 * Lets nobody at the routes that are added to `app` after this who does not bring the token. It
 * comes before the body is read, so that a stranger can't make us read one.
 */
export function requireToken(app: FastifyInstance, token: AccessToken): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { authorization } = request.headers;
    if (token.admits(authorization)) {
      done();
      return;
    }
    const said = authorization === undefined ? 'the token is missing' : 'the token is wrong';
    const { method, ip } = request;
    const route = request.routeOptions.url;
    request.log.warn({ remote: ip, method, route, reason: said }, 'a request was refused');
    void sendProblem(
      // RFC 6750, "3. The WWW-Authenticate Response Header Field".
      reply.header('www-authenticate', 'Bearer realm="starling tracker"'),
      problem(401, 'UNAUTHORIZED', `${said}: send "authorization: Bearer TOKEN"`),
    );
  });
}
