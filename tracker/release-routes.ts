import type { FastifyInstance, FastifyRequest } from 'fastify';
import { maxReleaseBytes, releasePushSchema, rootPushSchema } from '../src/api/index.ts';
import type {
  ReleasePush,
  ReleasePushed,
  Releases,
  RootPush,
  RootPushed,
} from '../src/api/index.ts';
import { RepositoryError, StarlingError } from '../src/errors.ts';
import type { TrackerMetrics } from './metrics.ts';
import type { ReleaseStore } from './release-store.ts';

export interface ReleaseComponents {
  readonly releases: ReleaseStore;
  readonly metrics: TrackerMetrics;
}

/**
 * `PUT /v1/releases` takes a signed set in, or what is new of one; `PUT /v1/root` takes the next root
 * in; `GET /v1/releases` says what channels name.
 */
export function addReleaseRoutes(
  app: FastifyInstance,
  { releases, metrics }: ReleaseComponents,
): void {
  app.put('/v1/releases', { bodyLimit: maxReleaseBytes }, async (request): Promise<ReleasePushed> =>
    judged(request, metrics, 'release', () => push(releases, parsePush(request.body))),
  );

  app.put('/v1/root', { bodyLimit: maxReleaseBytes }, async (request): Promise<RootPushed> =>
    judged(request, metrics, 'root', async () => {
      const { root, update } = parseRoot(request.body);
      return { rootVersion: await releases.pushRoot(root, update) };
    }),
  );

  app.get('/v1/releases', (): Releases => {
    const summary = releases.current?.summary;
    return {
      targetsVersion: summary?.targetsVersion ?? 0,
      releases: [...(summary?.releases ?? [])],
    };
  });
}

/** Counts and logs how it went: who tried, and why it was refused. An attack is seen here first. */
async function judged<T extends object>(
  request: FastifyRequest,
  metrics: TrackerMetrics,
  what: string,
  take: () => Promise<T>,
): Promise<T> {
  try {
    const taken = await take();
    metrics.pushes.inc({ outcome: 'taken' });
    const line: object = { remote: request.ip, ...taken };
    request.log.info(line, `a ${what} was taken`);
    return taken;
  } catch (error) {
    const code = error instanceof StarlingError ? String(error.code) : 'INTERNAL';
    metrics.pushes.inc({ outcome: code });
    const reason = error instanceof Error ? error.message : String(error);
    request.log.warn({ remote: request.ip, code, reason }, `a pushed ${what} was refused`);
    throw error;
  }
}

async function push(releases: ReleaseStore, update: ReleasePush): Promise<ReleasePushed> {
  const { summary } = await releases.push(update);
  const { timestampVersion, snapshotVersion, targetsVersion } = summary;
  return { timestampVersion, snapshotVersion, targetsVersion, releases: summary.releases.length };
}

function parsePush(body: unknown): ReleasePush {
  const result = releasePushSchema.safeParse(body);
  if (result.success) return result.data;
  throw refused(
    'the body must be a JSON object of targets, snapshot and timestamp, or of targets or delegated files, each the text of that file',
    result.error.issues,
  );
}

function parseRoot(body: unknown): RootPush {
  const result = rootPushSchema.safeParse(body);
  if (result.success) return result.data;
  throw refused(
    'the body must be a JSON object with root, the text of root.json',
    result.error.issues,
  );
}

function refused(
  what: string,
  issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): RepositoryError {
  const faults = issues.map(
    (issue) => `${issue.path.map(String).join('.') || 'it'}: ${issue.message}`,
  );
  return new RepositoryError('REPOSITORY_MALFORMED', `${what}: ${faults.join('; ')}`, {
    evidence: { faults },
  });
}
