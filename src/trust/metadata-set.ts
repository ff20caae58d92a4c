import { rolledBack } from './refusals.ts';
import { checkReleases, releasesIn, type Release } from './release.ts';
import { checkExpiry, checkSnapshot, checkTargets, checkTimestamp } from './role-checks.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { isSigned } from './signature-check.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';

/** The three files of a release, as served: exactly the texts that were signed and hashed. */
export interface MetadataSet {
  readonly targets: string;
  readonly snapshot: string;
  readonly timestamp: string;
}

/** What a set says; whether it may be believed is asked of verifyUpdate. */
export interface MetadataSummary {
  readonly targetsVersion: number;
  readonly snapshotVersion: number;
  readonly timestampVersion: number;
  /** When the first of the three expires. */
  readonly expires: Date;
  readonly releases: readonly Release[];
}

type SetRole = keyof MetadataSet;
type Documents = { readonly [R in SetRole]: SignedDocument<R> };

/**
 * Reads a set without verifying it: for one that was verified before it was stored.
 * @throws RepositoryError REPOSITORY_MALFORMED
 */
export function summarizeSet(set: MetadataSet): MetadataSummary {
  const { targets, snapshot, timestamp } = readSet(set);
  const ends = [targets, snapshot, timestamp].map(({ signed }) => Date.parse(signed.expires));
  return {
    targetsVersion: targets.signed.version,
    snapshotVersion: snapshot.signed.version,
    timestampVersion: timestamp.signed.version,
    expires: new Date(Math.min(...ends)),
    releases: releasesIn(targets),
  };
}

/**
 * Decides whether a tracker may take `next` in the place of `current`: signatures against `root`,
 * nothing expired at `now`, the files go together, and versions and release numbers only go forward.
 * What the present keys of root did not sign in `current` binds nobody: that is how a repository is
 * won back from a stolen key by a new root (TUF 1.0, "5.3.11").
 * @throws RepositoryError with the code of the first check that fails.
 * @throws ConfigError CONFIG_INVALID when `root` itself can't be used.
 */
export function verifyUpdate(init: {
  root: string;
  current: MetadataSet | undefined;
  next: MetadataSet;
  now: Date;
}): void {
  const { next, now } = init;
  const root = readTrustedRoot(init.root);
  checkExpiry(root, now);
  const current = init.current === undefined ? undefined : readSet(init.current);
  const trusted = trustedOf(root, current);

  const timestamp = checkTimestamp(root, next.timestamp, trusted.timestamp);
  checkMovesForward(timestamp, trusted.timestamp);
  checkExpiry(timestamp, now);
  const snapshot = checkSnapshot({ root, timestamp }, next.snapshot, trusted.snapshot);
  checkSameOrHigher(snapshot, trusted.snapshot);
  checkExpiry(snapshot, now);
  const targets = checkTargets({ root, snapshot }, next.targets, trusted.targets);
  checkSameOrHigher(targets, trusted.targets);
  checkExpiry(targets, now);
  if (trusted.targets !== undefined) checkReleases(trusted.targets, targets);
}

/** Reads the three files of a set, unverified. */
export function readSet(set: MetadataSet): Documents {
  return {
    targets: readDocument('targets', set.targets),
    snapshot: readDocument('snapshot', set.snapshot),
    timestamp: readDocument('timestamp', set.timestamp),
  };
}

/** Those of the documents that the present keys of root have signed. */
export function trustedOf(
  root: RootDocument,
  known: { readonly [R in SetRole]?: SignedDocument<R> | undefined } | undefined,
): { readonly [R in SetRole]: SignedDocument<R> | undefined } {
  const signed = <R extends SetRole>(document: SignedDocument<R> | undefined) =>
    document !== undefined && isSigned(root, document) ? document : undefined;
  return {
    targets: signed(known?.targets),
    snapshot: signed(known?.snapshot),
    timestamp: signed(known?.timestamp),
  };
}

function checkMovesForward(
  next: SignedDocument<'timestamp'>,
  trusted: SignedDocument<'timestamp'> | undefined,
): void {
  if (trusted === undefined || next.signed.version > trusted.signed.version) return;
  const actual = next.signed.version;
  const what = `timestamp.json is version ${actual} again, and each update has a higher one`;
  throw rolledBack('timestamp', { what, expected: actual + 1, actual });
}

function checkSameOrHigher(
  next: SignedDocument<'snapshot' | 'targets'>,
  trusted: SignedDocument<'snapshot' | 'targets'> | undefined,
): void {
  if (trusted === undefined || next.signed.version > trusted.signed.version) return;
  if (next.text === trusted.text) return;
  const actual = next.signed.version;
  const what = `${next.role}.json is version ${actual} again, with another content`;
  throw rolledBack(next.role, { what, expected: actual + 1, actual });
}
