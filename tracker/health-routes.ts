import type { FastifyInstance } from 'fastify';
import type { Health } from '../src/api/index.ts';
import { blindness } from './fleet/watches.ts';
import type { TrackerMetrics } from './metrics.ts';
import type { ReleaseStore } from './release-store.ts';

export interface HealthComponents {
  readonly releases: Pick<ReleaseStore, 'checkWritable'>;
  readonly metrics: TrackerMetrics;
  /** Prefixes of the store whose changes are not heard now. */
  readonly blind: () => readonly string[];
}

/**
 * `/healthz`: the process lives. `/readyz`: it can serve and take releases, and hears what other trackers
 * change. `/metrics`.
 */
export function addHealthRoutes(
  app: FastifyInstance,
  { releases, metrics, blind }: HealthComponents,
): void {
  app.get('/healthz', (): Health => ({ status: 'ok' }));

  app.get('/readyz', async (): Promise<Health> => {
    // The root is loaded, or there would be no server. What fails here comes out as 503.
    await releases.checkWritable();
    const prefixes = blind();
    if (prefixes.length > 0) throw blindness(prefixes);
    return { status: 'ready' };
  });

  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}
