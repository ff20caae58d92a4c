import {
  maxReleaseBytes,
  releasePushedSchema,
  releasePushSchema,
  releasesSchema,
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

/** The signed releases: to take a set in, and to say what channels name. */
export function releaseRoutes({ releases, metrics }: ReleaseComponents): readonly RestRoute[] {
  const push = defineRoute({
    id: 'pushRelease',
    method: 'PUT',
    path,
    tag,
    summary: 'Hand over the signed metadata of a release',
    description: 'It is answered when all of it is on disk.',
    body: { schema: releasePushSchema, maxBytes: maxReleaseBytes, refuse: malformed },
    answer: jsonAnswer(releasePushedSchema, 'What is served now.'),
    problems: {
      403: 'It does not verify against the root, or is over.',
      409: 'It does not go forward from what is served.',
    },
    handle: async ({ body, note }) => {
      try {
        const pushed = await pushSet(releases, body);
        metrics.pushes.inc({ outcome: 'taken' });
        note(pushed);
        return pushed;
      } catch (error) {
        const code = error instanceof StarlingError ? String(error.code) : 'INTERNAL';
        metrics.pushes.inc({ outcome: code });
        throw error;
      }
    },
  });

  const list = defineRoute({
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

  return [push, list];
}

async function pushSet(releases: ReleaseStore, set: ReleasePush): Promise<ReleasePushed> {
  const { summary } = await releases.push(set);
  const { timestampVersion, snapshotVersion, targetsVersion } = summary;
  return { timestampVersion, snapshotVersion, targetsVersion, releases: summary.releases.length };
}

const malformed = (faults: readonly string[]): RepositoryError =>
  new RepositoryError(
    'REPOSITORY_MALFORMED',
    `the body must be a JSON object of targets, snapshot and timestamp, each the text of that file: ${faults.join('; ')}`,
    { evidence: { faults } },
  );
