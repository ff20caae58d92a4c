import { RepositoryError } from '../errors.ts';
import { delegatedFile, delegatedFiles, type DelegationChain } from './delegations.ts';
import type { MetadataSet } from './metadata-set.ts';
import type { MetadataSource } from './metadata-source.ts';
import { rolledBack, type RoleName } from './refusals.ts';
import { checkReleases } from './release.ts';
import {
  checkDelegated,
  checkExpiry,
  checkSnapshot,
  checkTargets,
  checkTimestamp,
  missing,
} from './role-checks.ts';
import { checkNextRoot, followRootChain, type RootDocument } from './root-chain.ts';
import { delegatedRoleOf, type Delegator } from './signature-check.ts';
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
 * @param init `apps`: those whose delegated files must be good; all, if it is not given.
 */
export function judge(
  trusted: Trusted,
  source: MetadataSource,
  accepted: CachedFiles,
  init: { readonly now: Date; readonly apps: readonly string[] | undefined },
): Verdict {
  const { now, apps } = init;
  let state = trusted.state;
  try {
    const position = source.roots.findIndex((text) => text === accepted.get('root'));
    const newRoots = source.roots.slice(0, position + 1);
    const root = followRootChain(trusted.root, newRoots);
    state = { ...state, roots: [...state.roots, ...newRoots] };
    for (const refused of source.roots.slice(position + 1)) {
      checkNextRoot(root, readDocument('root', refused, { form: root.form }));
    }
    checkExpiry(root, now);
    if (isEmpty(trusted, source)) return { state, refusal: undefined };

    const known = readState(state, root);
    const timestamp = judgeTimestamp(known, source, now);
    if (isAccepted('timestamp', source, accepted)) state = { ...state, timestamp: timestamp.text };
    const snapshot = judgeSnapshot(known, source, { root, timestamp }, now);
    if (isAccepted('snapshot', source, accepted)) state = { ...state, snapshot: snapshot.text };
    const targets = judgeTargets(known, source, { root, snapshot }, now);
    const chain = { targets, snapshot };
    const delegated = new Map<string, SignedDocument<'delegated'>>();
    for (const name of new Set([...source.delegated, ...delegatedFiles(chain, apps)])) {
      delegated.set(name, judgeDelegated(known, source, { ...chain, delegated }, name, now));
    }
    for (const document of stillGood(known, { ...chain, delegated })) {
      delegated.set(document.name, document);
    }
    if (root.form.areReleases && known.releases !== undefined) {
      checkReleases(known.releases, { ...chain, delegated });
    }
    return {
      state: { ...state, set: setOf({ timestamp, ...chain, delegated }) },
      refusal: undefined,
    };
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
  // Versions are those that snapshot named; where its keys are others, they begin anew.
  const before = known.snapshot === undefined ? undefined : known.targets;
  const targets = checkTargets(chain, text, before);
  checkExpiry(targets, now);
  return targets;
}

interface JudgedChain extends DelegationChain {
  readonly delegated: ReadonlyMap<string, SignedDocument<'delegated'>>;
}

function judgeDelegated(
  known: Trusted,
  source: MetadataSource,
  chain: JudgedChain,
  name: string,
  now: Date,
): SignedDocument<'delegated'> {
  const text = source.received.get(name) ?? known.releases?.delegated.get(name)?.text;
  if (text === undefined || source.missing.has(name)) {
    throw missing(name, 'snapshot', `version ${delegatedFile(chain, name)?.version ?? 'none'}`);
  }
  const { snapshot } = chain;
  const document = checkDelegated({ delegator: delegatorOf(chain, name), snapshot }, name, text);
  checkExpiry(document, now);
  return document;
}

/** Who names the keys of a role: in a repository of releases it can be targets only. */
function delegatorOf({ targets, delegated }: JudgedChain, name: string): Delegator {
  const others = [...delegated.values()];
  return others.find((document) => delegatedRoleOf(document, name) !== undefined) ?? targets;
}

/** Files that nobody asked for in this run, and that still are what the repository has. */
function stillGood(known: Trusted, chain: JudgedChain): SignedDocument<'delegated'>[] {
  const { targets, snapshot, delegated } = chain;
  return [...(known.releases?.delegated.values() ?? [])].filter(({ name, text }) => {
    if (delegated.has(name) || delegatedFile(chain, name) === undefined) return false;
    try {
      checkDelegated({ delegator: targets, snapshot }, name, text);
      return true;
    } catch (error) {
      // There is a newer one, or other keys: this one tells nothing any more.
      if (error instanceof RepositoryError) return false;
      throw error;
    }
  });
}

function setOf(documents: {
  readonly timestamp: SignedDocument<'timestamp'>;
  readonly snapshot: SignedDocument<'snapshot'>;
  readonly targets: SignedDocument<'targets'>;
  readonly delegated: ReadonlyMap<string, SignedDocument<'delegated'>>;
}): MetadataSet {
  const { timestamp, snapshot, targets, delegated } = documents;
  const set = { targets: targets.text, snapshot: snapshot.text, timestamp: timestamp.text };
  if (delegated.size === 0) return set;
  const texts = [...delegated].map(([name, { text }]) => [name, text] as const);
  return { ...set, delegated: Object.fromEntries(texts) };
}
