import { RepositoryError, TrackerError, whyUnreachable } from '../errors.ts';
import { problemSchema } from './schemas.ts';
import type { Problem } from './schemas.ts';

/** The codes with which a tracker refuses metadata; they come out as what they are. */
const repositoryCodes = [
  'REPOSITORY_SIGNATURE',
  'REPOSITORY_ROLLBACK',
  'REPOSITORY_EXPIRED',
  'REPOSITORY_MIX_AND_MATCH',
  'REPOSITORY_MALFORMED',
  'REPOSITORY_NO_RELEASE',
] as const;

/** The error that an answer other than 2xx stands for. */
export function refusalOf(answer: {
  readonly status: number;
  readonly body: Buffer;
  readonly url: string;
}): TrackerError | RepositoryError {
  const { status, url } = answer;
  const problem = problemOf(answer.body);
  const evidence = { url, status, code: problem?.code, detail: problem?.detail };
  const repositoryCode = repositoryCodes.find((code) => code === problem?.code);
  if (repositoryCode !== undefined && problem !== undefined) {
    return new RepositoryError(
      repositoryCode,
      `the tracker refused the release: ${problem.detail}`,
      { evidence },
    );
  }
  const detail = problem?.detail ?? `HTTP status ${status}`;
  if (status >= 500) {
    return new TrackerError('TRACKER_FAILED', `the tracker failed at ${url}: ${detail}`, {
      evidence,
    });
  }
  const hint = status === 401 ? '; check the token' : '';
  return new TrackerError('TRACKER_REFUSED', `the tracker refused ${url}: ${detail}${hint}`, {
    evidence,
  });
}

function problemOf(body: Buffer): Problem | undefined {
  try {
    return problemSchema.parse(JSON.parse(body.toString('utf8')));
  } catch {
    // Not a tracker's own words, perhaps a proxy's page: the status alone must do.
    return undefined;
  }
}

/** There was no answer, or none in time. */
export function unreachable(url: string, cause: unknown, timeoutMs?: number): TrackerError {
  const why = timeoutMs === undefined ? whyUnreachable(cause) : `no answer within ${timeoutMs} ms`;
  return new TrackerError(
    'TRACKER_UNREACHABLE',
    `the tracker can't be reached at ${url} (${why}): check that it runs, that the URL is right and that no firewall is between`,
    { cause, evidence: { url } },
  );
}
