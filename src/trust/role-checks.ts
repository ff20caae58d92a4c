import { hash } from 'node:crypto';
import type { MetaFileEntry } from './metadata-schema.ts';
import { namedIn } from './delegations.ts';
import {
  expired,
  mixedAndMatched,
  outsideDelegation,
  rolledBack,
  type DocumentKind,
} from './refusals.ts';
import { checkHandover } from './release.ts';
import type { RootDocument } from './root-chain.ts';
import { checkDelegatedSignatures, checkSignatures, type Delegator } from './signature-check.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';

type TimestampDocument = SignedDocument<'timestamp'>;
type SnapshotDocument = SignedDocument<'snapshot'>;
type TargetsDocument = SignedDocument<'targets'>;

const hashNames: Readonly<Record<string, string>> = { sha256: 'SHA-256', sha512: 'SHA-512' };

/**
 * Freeze attack.
 * @throws RepositoryError REPOSITORY_EXPIRED
 */
export function checkExpiry(document: SignedDocument<DocumentKind>, now: Date): void {
  const { expires } = document.signed;
  if (now.getTime() >= Date.parse(expires)) throw expired(document.name, expires, now);
}

/**
 * TUF 1.0, "5.4. Update the timestamp role", all but the expiry. `trusted` is the one seen before.
 * @throws RepositoryError REPOSITORY_MALFORMED, REPOSITORY_SIGNATURE or REPOSITORY_ROLLBACK
 */
export function checkTimestamp(
  root: RootDocument,
  text: string,
  trusted: TimestampDocument | undefined,
): TimestampDocument {
  const timestamp = readDocument('timestamp', text, { form: root.form });
  checkSignatures(root, timestamp);
  if (trusted === undefined) return timestamp;
  checkNotLower('timestamp', trusted.signed.version, timestamp.signed.version);
  const before = trusted.signed.meta['snapshot.json'].version;
  checkNamedNotLower('timestamp', 'snapshot.json', before, timestamp.signed.meta['snapshot.json']);
  return timestamp;
}

/**
 * TUF 1.0, "5.5. Update the snapshot role", all but the expiry.
 * @throws RepositoryError REPOSITORY_MALFORMED, REPOSITORY_SIGNATURE, REPOSITORY_ROLLBACK or
 * REPOSITORY_MIX_AND_MATCH
 */
export function checkSnapshot(
  chain: { root: RootDocument; timestamp: TimestampDocument },
  text: string,
  trusted: SnapshotDocument | undefined,
): SnapshotDocument {
  const named = chain.timestamp.signed.meta['snapshot.json'];
  checkContent('snapshot', 'timestamp', named, text);
  const snapshot = readDocument('snapshot', text, { form: chain.root.form });
  checkSignatures(chain.root, snapshot);
  checkVersion(snapshot, 'timestamp', named);
  if (trusted === undefined) return snapshot;
  checkNotLower('snapshot', trusted.signed.version, snapshot.signed.version);
  for (const [file, before] of Object.entries(trusted.signed.meta)) {
    checkNamedNotLower('snapshot', file, before.version, snapshot.signed.meta[file]);
  }
  return snapshot;
}

/**
 * TUF 1.0, "5.6. Update the targets role", for the top-level role, all but the expiry.
 * @throws RepositoryError REPOSITORY_MALFORMED, REPOSITORY_SIGNATURE, REPOSITORY_ROLLBACK or
 * REPOSITORY_MIX_AND_MATCH
 */
export function checkTargets(
  chain: { root: RootDocument; snapshot: SnapshotDocument },
  text: string,
  trusted: TargetsDocument | undefined,
): TargetsDocument {
  const named = chain.snapshot.signed.meta['targets.json'];
  if (named === undefined) throw missing('targets', 'snapshot', 'no version of it');
  checkContent('targets', 'snapshot', named, text);
  const targets = readDocument('targets', text, { form: chain.root.form });
  checkSignatures(chain.root, targets);
  checkVersion(targets, 'snapshot', named);
  if (trusted !== undefined) {
    checkNotLower('targets', trusted.signed.version, targets.signed.version);
  }
  return targets;
}

/**
 * TUF 1.0, "5.6. Update the targets role", for a delegated role, all but the expiry. In a repository
 * of releases its file says nothing outside its app, and goes on from what was handed over.
 * @throws RepositoryError REPOSITORY_MALFORMED, REPOSITORY_SIGNATURE, REPOSITORY_ROLLBACK or
 * REPOSITORY_MIX_AND_MATCH
 */
export function checkDelegated(
  chain: { delegator: Delegator; snapshot: SnapshotDocument },
  name: string,
  text: string,
): SignedDocument<'delegated'> {
  const named = namedIn(chain.snapshot, name);
  if (named === undefined) throw missing(name, 'snapshot', 'no version of it');
  checkContent(name, 'snapshot', named, text);
  const { delegator } = chain;
  const { form } = delegator;
  const document = readDocument('delegated', text, { name, form });
  checkDelegatedSignatures(delegator, document);
  checkVersion(document, 'snapshot', named);
  if (!form.areReleases) return document;
  checkWithin(document);
  if (delegator.role === 'targets') checkHandover(delegator, document);
  return document;
}

function checkWithin(document: SignedDocument<'delegated'>): void {
  for (const path of Object.keys(document.signed.targets)) {
    if (!path.startsWith(`${document.name}/`)) throw outsideDelegation(document.name, path);
  }
}

/** The file that another file names is not there. */
export function missing(role: string, by: string, expected: string) {
  const what = `${by}.json asks for ${expected}, and the repository has no such ${role}.json`;
  return mixedAndMatched(role, { what, expected, actual: 'no such file' });
}

function checkNotLower(role: string, expected: number, actual: number): void {
  if (actual >= expected) return;
  const what = `${role}.json is version ${actual}, and version ${expected} was seen before`;
  throw rolledBack(role, { what, expected, actual });
}

function checkNamedNotLower(
  role: string,
  file: string,
  expected: number,
  named: MetaFileEntry | undefined,
): void {
  if (named !== undefined && named.version >= expected) return;
  const actual = named?.version;
  const now = actual === undefined ? 'does not name it any more' : `names version ${actual}`;
  const what = `version ${expected} of ${file} was seen before, and the new ${role}.json ${now}`;
  throw rolledBack(role, { what, expected, actual: actual ?? 'none' });
}

function checkContent(role: string, by: string, named: MetaFileEntry, text: string): void {
  const sizeBytes = Buffer.byteLength(text);
  if (named.length !== undefined && named.length !== sizeBytes) {
    const what = `${role}.json is ${sizeBytes} bytes long, ${by}.json says ${named.length}`;
    throw mixedAndMatched(role, { what, expected: named.length, actual: sizeBytes });
  }
  for (const [algorithm, expected] of Object.entries(named.hashes ?? {})) {
    const actual = hash(algorithm, text);
    if (actual === expected) continue;
    const what = `${role}.json has the ${hashNames[algorithm] ?? algorithm} ${actual}, ${by}.json says ${expected}`;
    throw mixedAndMatched(role, { what, expected, actual });
  }
}

function checkVersion(
  document: SignedDocument<'snapshot' | 'targets' | 'delegated'>,
  by: string,
  named: MetaFileEntry,
): void {
  const role = document.name;
  const actual = document.signed.version;
  if (actual === named.version) return;
  const what = `${role}.json is version ${actual}, ${by}.json says ${named.version}`;
  throw mixedAndMatched(role, { what, expected: named.version, actual });
}
