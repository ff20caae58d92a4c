import { delegatedFile, delegatedFiles, type DelegationChain } from './delegations.ts';
import type { MetadataForm } from './metadata-schema.ts';
import { mixedAndMatched, rolledBack } from './refusals.ts';
import { checkReleases, releasesIn, type Release, type ReleaseDocuments } from './release.ts';
import {
  checkDelegated,
  checkExpiry,
  checkSnapshot,
  checkTargets,
  checkTimestamp,
  missing,
} from './role-checks.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { isSigned } from './signature-check.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';

/** The files of a release, as served: exactly the texts that were signed and hashed. */
export interface MetadataSet {
  readonly targets: string;
  readonly snapshot: string;
  readonly timestamp: string;
  /** Those that the keys of delegated apps have signed, by app; only the ones that count. */
  readonly delegated?: Readonly<Record<string, string>> | undefined;
}

/** What is new: all of a set, or some of its files, where the others stay or are signed elsewhere. */
export type MetadataUpdate = { readonly [F in keyof MetadataSet]?: MetadataSet[F] | undefined };

/** What a set says; whether it may be believed is asked of verifyUpdate. */
export interface MetadataSummary {
  readonly targetsVersion: number;
  readonly snapshotVersion: number;
  readonly timestampVersion: number;
  /** The versions of the delegated files, by app. */
  readonly delegatedVersions: Readonly<Record<string, number>>;
  /** When the first of its files expires. */
  readonly expires: Date;
  /** When the first of snapshot and timestamp expires. */
  readonly onlineExpires: Date;
  readonly releases: readonly Release[];
}

type SetRole = 'targets' | 'snapshot' | 'timestamp';
export type Documents = { readonly [R in SetRole]: SignedDocument<R> } & ReleaseDocuments;

/**
 * Reads a set without verifying it: for one that was verified before it was stored.
 * @throws RepositoryError REPOSITORY_MALFORMED
 */
export function summarizeSet(set: MetadataSet): MetadataSummary {
  const documents = readSet(set);
  const { targets, snapshot, timestamp } = documents;
  const delegated = [...documents.delegated.values()];
  return {
    targetsVersion: targets.signed.version,
    snapshotVersion: snapshot.signed.version,
    timestampVersion: timestamp.signed.version,
    delegatedVersions: Object.fromEntries(
      delegated.map(({ name, signed }) => [name, signed.version]),
    ),
    expires: earliest([targets, snapshot, timestamp, ...delegated]),
    onlineExpires: earliest([snapshot, timestamp]),
    releases: releasesIn(documents),
  };
}

/**
 * Decides whether a tracker may take `next` in the place of `current`: signatures against `root`,
 * nothing expired at `now`, the files go together, and versions and release numbers only go forward.
 * What the present keys of root did not sign in `current` binds nobody: that is how a repository is
 * won back from a stolen key by a new root (TUF 1.0, "5.3.11"). Of delegated files only new ones must
 * not have expired: one team that does not renew keeps no other from releasing.
 * @param init `apps`: those whose delegated files are looked at; all that count, if it is not given.
 * @throws RepositoryError with the code of the first check that fails.
 * @throws ConfigError CONFIG_INVALID when `root` itself can't be used.
 */
export function verifyUpdate(init: {
  root: string;
  current: MetadataSet | undefined;
  next: MetadataSet;
  now: Date;
  apps?: readonly string[] | undefined;
}): void {
  const { next, now, apps } = init;
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
  const delegated = new Map<string, SignedDocument<'delegated'>>();
  for (const [app, text] of delegatedTexts({ targets, snapshot }, next, apps)) {
    const document = checkDelegated({ delegator: targets, snapshot }, app, text);
    const before = trusted.releases?.delegated.get(app);
    checkSameOrHigher(document, before);
    if (text !== before?.text) checkExpiry(document, now);
    delegated.set(app, document);
  }
  if (trusted.releases === undefined) return;
  checkReleases(trusted.releases, { targets, snapshot, delegated });
}

/** Reads the files of a set, unverified. */
export function readSet(set: MetadataSet, form?: MetadataForm): Documents {
  const init = form === undefined ? {} : { form };
  const delegated = Object.entries(set.delegated ?? {}).map(
    ([name, text]) => [name, readDocument('delegated', text, { ...init, name })] as const,
  );
  return {
    targets: readDocument('targets', set.targets, init),
    snapshot: readDocument('snapshot', set.snapshot, init),
    timestamp: readDocument('timestamp', set.timestamp, init),
    delegated: new Map(delegated),
  };
}

/** Those of the documents that the present keys of root have signed, and the releases in them. */
export function trustedOf(
  root: RootDocument,
  known:
    | {
        readonly [R in SetRole]?: SignedDocument<R> | undefined;
      }
    | Documents
    | undefined,
): { readonly [R in SetRole]: SignedDocument<R> | undefined } & {
  readonly releases: ReleaseDocuments | undefined;
} {
  const signed = <R extends SetRole>(document: SignedDocument<R> | undefined) =>
    document !== undefined && isSigned(root, document) ? document : undefined;
  const targets = signed(known?.targets);
  const isSet = known !== undefined && 'delegated' in known;
  return {
    targets,
    snapshot: signed(known?.snapshot),
    timestamp: signed(known?.timestamp),
    // Delegated files were verified against the targets that is beside them.
    releases: targets !== undefined && isSet ? known : undefined,
  };
}

/** The delegated files to verify: each that counts must be there, and no other may. */
function delegatedTexts(
  chain: DelegationChain,
  { delegated = {} }: MetadataSet,
  apps: readonly string[] | undefined,
): [app: string, text: string][] {
  for (const app of Object.keys(delegated)) {
    if (delegatedFile(chain, app) !== undefined) continue;
    const what = `there is a file of ${app}, and targets.json and snapshot.json do not lead to one`;
    throw mixedAndMatched(app, { what, expected: 'none', actual: 'a file' });
  }
  return delegatedFiles(chain, apps).map((app) => {
    const text = Object.hasOwn(delegated, app) ? delegated[app] : undefined;
    if (text !== undefined) return [app, text];
    throw missing(app, 'snapshot', `version ${delegatedFile(chain, app)?.version ?? 'none'}`);
  });
}

function earliest(documents: readonly SignedDocument<SetRole | 'delegated'>[]): Date {
  return new Date(Math.min(...documents.map(({ signed }) => Date.parse(signed.expires))));
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
  next: SignedDocument<'snapshot' | 'targets' | 'delegated'>,
  trusted: SignedDocument<'snapshot' | 'targets' | 'delegated'> | undefined,
): void {
  if (trusted === undefined || next.signed.version > trusted.signed.version) return;
  if (next.text === trusted.text) return;
  const actual = next.signed.version;
  const what = `${next.name}.json is version ${actual} again, with another content`;
  throw rolledBack(next.name, { what, expected: actual + 1, actual });
}
