import type { FastifyInstance, FastifyRequest } from 'fastify';
import { maxReleaseBytes, releasePushSchema } from '../src/api/index.ts';
import type { ReleasePush, ReleasePushed, Releases } from '../src/api/index.ts';
import { RepositoryError, StarlingError } from '../src/errors.ts';
import type { TrackerMetrics } from './metrics.ts';
import type { ReleaseStore } from './release-store.ts';

export interface ReleaseComponents {
  readonly releases: ReleaseStore;
  readonly metrics: TrackerMetrics;
}

/** `PUT /v1/releases` takes a signed set in, `GET /v1/releases` says what channels name. */
export function addReleaseRoutes(
  app: FastifyInstance,
  { releases, metrics }: ReleaseComponents,
): void {
  app.put(
    '/v1/releases',
    { bodyLimit: maxReleaseBytes },
    async (request): Promise<ReleasePushed> => {
      try {
        const pushed = await push(releases, parsePush(request.body));
        metrics.pushes.inc({ outcome: 'taken' });
        request.log.info({ remote: request.ip, ...pushed }, 'a release was taken');
        return pushed;
      } catch (error) {
        const code = error instanceof StarlingError ? String(error.code) : 'INTERNAL';
        metrics.pushes.inc({ outcome: code });
        logRefusal(request, code, error);
        throw error;
      }
    },
  );

  app.get('/v1/releases', (): Releases => {
    const summary = releases.current?.summary;
    return {
      targetsVersion: summary?.targetsVersion ?? 0,
      releases: [...(summary?.releases ?? [])],
    };
  });
}

async function push(releases: ReleaseStore, set: ReleasePush): Promise<ReleasePushed> {
  const { summary } = await releases.push(set);
  const { timestampVersion, snapshotVersion, targetsVersion } = summary;
  return { timestampVersion, snapshotVersion, targetsVersion, releases: summary.releases.length };
}

function parsePush(body: unknown): ReleasePush {
  const result = releasePushSchema.safeParse(body);
  if (result.success) return result.data;
  const faults = result.error.issues.map(
    (issue) => `${issue.path.map(String).join('.') || 'it'}: ${issue.message}`,
  );
  throw new RepositoryError(
    'REPOSITORY_MALFORMED',
    `the body must be a JSON object of targets, snapshot and timestamp, each the text of that file: ${faults.join('; ')}`,
    { evidence: { faults } },
  );
}

/** Who tried, and why it was refused: an attack is seen here first. */
function logRefusal(request: FastifyRequest, code: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  request.log.warn({ remote: request.ip, code, reason }, 'a pushed release was refused');
}
