import { RepositoryError } from '../errors.ts';

/** The top-level roles of the repository; each signs one file. */
export type RoleName = 'root' | 'timestamp' | 'snapshot' | 'targets';

/** What a file is: of a top-level role, or of one that targets delegates an app to. */
export type DocumentKind = RoleName | 'delegated';

const effect = 'It is refused, and the releases that were verified before stay as they are';

/** What is signed is older than what was seen, or the same version is given out twice. */
export function rolledBack(
  role: string,
  seen: { what: string; expected: unknown; actual: unknown; cause?: unknown },
): RepositoryError {
  const { what, expected, actual } = seen;
  return new RepositoryError(
    'REPOSITORY_ROLLBACK',
    `The repository was rolled back: ${what}. ${effect}. Someone is replaying an old repository, or it was restored from a backup: publish again, with higher versions`,
    { evidence: { role, expected, actual } },
  );
}

/** Signed, and once good, but its time is over. */
export function expired(role: string, expires: string, now: Date): RepositoryError {
  const actual = now.toISOString();
  const remedy =
    role === 'root'
      ? 'publish a new root, signed by the root key'
      : 'renew the signatures and look at why nobody did';
  return new RepositoryError(
    'REPOSITORY_EXPIRED',
    `${role}.json expired at ${expires}, it is now ${actual}. ${effect}. The repository is frozen by someone who holds newer metadata back, nobody renewed it, or this machine's clock is wrong: check the clock, then ${remedy}`,
    { evidence: { role, expected: `before ${expires}`, actual } },
  );
}

/** Files that are each signed, but not made to go together. */
export function mixedAndMatched(
  role: string,
  seen: { what: string; expected: unknown; actual: unknown },
): RepositoryError {
  const { what, expected, actual } = seen;
  return new RepositoryError(
    'REPOSITORY_MIX_AND_MATCH',
    `The repository's files do not go together: ${what}. ${effect}. Files of different releases are mixed, damaged or missing at the server: publish the whole set again`,
    { evidence: { role, expected, actual } },
  );
}

/** Too few keys of those that root names have signed it. */
export function wronglySigned(
  role: string,
  seen: { good: number; threshold: number; keys: number; rootVersion?: number; by?: string },
): RepositoryError {
  const { good, threshold, keys, rootVersion, by = `root version ${rootVersion ?? 0}` } = seen;
  return new RepositoryError(
    'REPOSITORY_SIGNATURE',
    `${role}.json has ${good} good signature(s), ${by} asks for ${threshold} of ${keys} key(s). ${effect}. It was signed with another key, or changed after it was signed: sign it with the keys that are named there, or check that this is the right repository for this root.json`,
    { evidence: { role, expected: threshold, actual: good, rootVersion } },
  );
}

/** Not the form that such a file has. */
export function malformed(
  role: string,
  what: string,
  init: { expected?: unknown; actual?: unknown; cause?: unknown } = {},
): RepositoryError {
  const { expected, actual, cause } = init;
  return new RepositoryError(
    'REPOSITORY_MALFORMED',
    `${role}.json can't be read: ${what}. ${effect}. Check that the address is that of a Starling repository, and that nothing on the way changes what it serves`,
    { evidence: { role, expected, actual }, cause },
  );
}

/** A team has signed for something that is not its app. */
export function outsideDelegation(app: string, path: string): RepositoryError {
  return new RepositoryError(
    'REPOSITORY_SIGNATURE',
    `${app}.json names ${path}, and its keys may sign ${app}/* only. ${effect}. Someone tries to release an app that is not theirs: sign that release with the keys of its own app`,
    { evidence: { role: app, expected: `${app}/*`, actual: path } },
  );
}
