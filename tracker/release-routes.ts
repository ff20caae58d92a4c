import {
  maxReleaseBytes,
  releasePushedSchema,
  releasePushSchema,
  releasesSchema,
  rootPushedSchema,
  rootPushSchema,
} from '../src/api/index.ts';
import type { ReleasePush, ReleasePushed } from '../src/api/index.ts';
import { RepositoryError, StarlingError } from '../src/errors.ts';
import type { TrackerMetrics } from './metrics.ts';
import type { ReleaseStore } from './release-store.ts';
import { defineRoute, jsonAnswer, type RestRoute } from './rest/index.ts';

export interface ReleaseComponents {
  readonly releases: ReleaseStore;
  readonly metrics: TrackerMetrics;
}

const path = '/v1/releases';
const tag = 'releases';

/**
 * The signed releases: to take a set in, or what is new of one; to take the next root in; and to say
 * what channels name.
 */
export const releaseRoutes = (components: ReleaseComponents): readonly RestRoute[] => [
  pushRelease(components),
  pushRoot(components),
  listReleases(components),
];

const problems = {
  403: 'It does not verify against the root, or is over.',
  409: 'It does not go forward from what is served.',
};

const pushRelease = ({ releases, metrics }: ReleaseComponents): RestRoute =>
  defineRoute({
    id: 'pushRelease',
    method: 'PUT',
    path,
    tag,
    summary: 'Hand over the signed metadata of a release',
    description:
      "All three top-level files, or what is new and names images: then the tracker's own key signs the rest. It is answered when all of it is on disk.",
    body: {
      schema: releasePushSchema,
      maxBytes: maxReleaseBytes,
      refuse: refusal(
        'the body must be a JSON object of targets, snapshot and timestamp, or of targets or delegated files, each the text of that file',
      ),
    },
    answer: jsonAnswer(releasePushedSchema, 'What is served now.'),
    problems,
    handle: async ({ body, operator: actor, note }) => {
      const pushed = await counted(metrics, () => pushUpdate(releases, body, actor));
      note(pushed);
      return pushed;
    },
  });

const pushRoot = ({ releases, metrics }: ReleaseComponents): RestRoute =>
  defineRoute({
    id: 'pushRoot',
    method: 'PUT',
    path: '/v1/root',
    tag,
    summary: 'Hand over the next root, signed by the keys of this one and its own',
    body: {
      schema: rootPushSchema,
      maxBytes: maxReleaseBytes,
      refuse: refusal('the body must be a JSON object with root, the text of root.json'),
    },
    answer: jsonAnswer(rootPushedSchema, 'The root that is served now.'),
    problems,
    handle: async ({ body: { root, update }, operator: actor, note }) => {
      const rootVersion = await counted(metrics, () => releases.pushRoot(root, update, { actor }));
      note({ rootVersion });
      return { rootVersion };
    },
  });

const listReleases = ({ releases }: ReleaseComponents): RestRoute =>
  defineRoute({
    id: 'listReleases',
    method: 'GET',
    path,
    tag,
    summary: 'Which image each channel names',
    answer: jsonAnswer(releasesSchema, 'All of them.'),
    handle: () => {
      const summary = releases.current?.summary;
      return {
        targetsVersion: summary?.targetsVersion ?? 0,
        releases: [...(summary?.releases ?? [])],
      };
    },
  });

async function counted<T>(metrics: TrackerMetrics, take: () => Promise<T>): Promise<T> {
  try {
    const taken = await take();
    metrics.pushes.inc({ outcome: 'taken' });
    return taken;
  } catch (error) {
    const code = error instanceof StarlingError ? String(error.code) : 'INTERNAL';
    metrics.pushes.inc({ outcome: code });
    throw error;
  }
}

async function pushUpdate(
  releases: ReleaseStore,
  update: ReleasePush,
  actor: string,
): Promise<ReleasePushed> {
  const { summary } = await releases.push(update, { actor });
  const { timestampVersion, snapshotVersion, targetsVersion } = summary;
  return { timestampVersion, snapshotVersion, targetsVersion, releases: summary.releases.length };
}

const refusal =
  (what: string) =>
  (faults: readonly string[]): RepositoryError =>
    new RepositoryError('REPOSITORY_MALFORMED', `${what}: ${faults.join('; ')}`, {
      evidence: { faults },
    });
