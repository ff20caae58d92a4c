import type { FastifyInstance } from 'fastify';
import type { Health } from '../src/api/index.ts';
import type { TrackerMetrics } from './metrics.ts';
import type { ReleaseStore } from './release-store.ts';

/** `/healthz`: the process lives. `/readyz`: it can serve and take releases. `/metrics`. */
export function addHealthRoutes(
  app: FastifyInstance,
  { releases, metrics }: { readonly releases: ReleaseStore; readonly metrics: TrackerMetrics },
): void {
  app.get('/healthz', (): Health => ({ status: 'ok' }));

  app.get('/readyz', async (): Promise<Health> => {
    // The root is loaded, or there would be no server. What fails here comes out as 503.
    await releases.checkWritable();
    return { status: 'ready' };
  });

  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}
