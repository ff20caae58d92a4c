import type { MetadataSource } from './metadata-source.ts';
import { rolledBack, type RoleName } from './refusals.ts';
import { checkReleases } from './release.ts';
import {
  checkExpiry,
  checkSnapshot,
  checkTargets,
  checkTimestamp,
  missing,
} from './role-checks.ts';
import { checkNextRoot, followRootChain, type RootDocument } from './root-chain.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';
import type { TrustState } from './trust-cache.ts';
import { readState, type Trusted } from './trusted-state.ts';
import type { CachedFiles } from './tuf-run.ts';

/** What a run of tuf-js came to, by our own checks. */
export interface Verdict {
  /** What is verified now, also where the run stopped half way. */
  readonly state: TrustState;
  /** Why the repository is refused. */
  readonly refusal: { readonly error: unknown } | undefined;
}

/**
 * Judges what was received in one run: it finds the reason of tuf-js's refusal, and asks for what
 * tuf-js does not know about, the form of releases and their numbers. Only what both have accepted
 * becomes trusted; a newer root, timestamp and snapshot do so even when the rest is refused, as TUF
 * asks for, so that no older ones are accepted later.
 */
export function judge(
  trusted: Trusted,
  source: MetadataSource,
  accepted: CachedFiles,
  now: Date,
): Verdict {
  let state = trusted.state;
  try {
    const position = source.roots.findIndex((text) => text === accepted.get('root'));
    const newRoots = source.roots.slice(0, position + 1);
    const root = followRootChain(trusted.root, newRoots);
    state = { ...state, roots: [...state.roots, ...newRoots] };
    for (const refused of source.roots.slice(position + 1)) {
      checkNextRoot(root, readDocument('root', refused));
    }
    checkExpiry(root, now);
    if (isEmpty(trusted, source)) return { state, refusal: undefined };

    const known = readState(state, root);
    const timestamp = judgeTimestamp(known, source, now);
    if (isAccepted('timestamp', source, accepted)) state = { ...state, timestamp: timestamp.text };
    const snapshot = judgeSnapshot(known, source, { root, timestamp }, now);
    if (isAccepted('snapshot', source, accepted)) state = { ...state, snapshot: snapshot.text };
    const targets = judgeTargets(known, source, { root, snapshot }, now);
    const set = { targets: targets.text, snapshot: snapshot.text, timestamp: timestamp.text };
    return { state: { ...state, set }, refusal: undefined };
  } catch (error) {
    return { state, refusal: { error } };
  }
}

/** Nothing was ever published: not an error, there are no releases yet. */
function isEmpty(trusted: Trusted, source: MetadataSource): boolean {
  return trusted.state.timestamp === undefined && source.missing.has('timestamp');
}

function isAccepted(role: RoleName, source: MetadataSource, accepted: CachedFiles): boolean {
  const text = source.received.get(role);
  return text !== undefined && text === accepted.get(role);
}

function judgeTimestamp(
  known: Trusted,
  source: MetadataSource,
  now: Date,
): SignedDocument<'timestamp'> {
  const text = source.received.get('timestamp');
  if (text === undefined) {
    const expected = known.timestamp?.signed.version ?? 'a timestamp.json';
    const what = 'timestamp.json was seen before, and the repository has none any more';
    throw rolledBack('timestamp', { what, expected, actual: 'no such file' });
  }
  let timestamp = checkTimestamp(known.root, text, known.timestamp);
  // Of two with the same version the one that was there first counts: TUF 1.0, "5.4.3.1".
  if (timestamp.signed.version === known.timestamp?.signed.version) timestamp = known.timestamp;
  checkExpiry(timestamp, now);
  return timestamp;
}

function judgeSnapshot(
  known: Trusted,
  source: MetadataSource,
  chain: { root: RootDocument; timestamp: SignedDocument<'timestamp'> },
  now: Date,
): SignedDocument<'snapshot'> {
  const text = source.received.get('snapshot') ?? known.snapshot?.text;
  if (text === undefined || source.missing.has('snapshot')) {
    const { version } = chain.timestamp.signed.meta['snapshot.json'];
    throw missing('snapshot', 'timestamp', `version ${version}`);
  }
  const snapshot = checkSnapshot(chain, text, known.snapshot);
  checkExpiry(snapshot, now);
  return snapshot;
}

function judgeTargets(
  known: Trusted,
  source: MetadataSource,
  chain: { root: RootDocument; snapshot: SignedDocument<'snapshot'> },
  now: Date,
): SignedDocument<'targets'> {
  const text = source.received.get('targets') ?? known.targets?.text;
  if (text === undefined || source.missing.has('targets')) {
    const version = chain.snapshot.signed.meta['targets.json']?.version ?? 'none';
    throw missing('targets', 'snapshot', `version ${version}`);
  }
  const targets = checkTargets(chain, text, known.targets);
  checkExpiry(targets, now);
  if (known.targets !== undefined) checkReleases(known.targets, targets);
  return targets;
}
