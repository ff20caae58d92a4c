// The demo's application: an HTTP server that says which version of it answers.
import fastify from 'fastify';

const { message, healthy } = JSON.parse(process.env.STARLING_SETTINGS ?? '{}');
const version = process.env.STARLING_VERSION ?? 'unknown';
const server = fastify({ forceCloseConnections: true });

server.get('/', () => ({ message, version, node: process.version, pid: process.pid }));
server.get('/health', (_request, reply) => reply.code(healthy === false ? 503 : 200).send());

await server.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
process.on('SIGTERM', () => {
  server.close();
});
