import { canonicalize } from '@tufjs/canonical-json';
import { RepositoryError } from '../errors.ts';
import { readSet, trustedOf, type MetadataSet } from './metadata-set.ts';
import type { ReleaseDocuments } from './release.ts';
import { followRootChain, type RootDocument } from './root-chain.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';
import type { TrustState } from './trust-cache.ts';

/** What was verified before, read and checked again down from the pinned root. */
export interface Trusted {
  readonly state: TrustState;
  /** The last of the chain of roots. */
  readonly root: RootDocument;
  /** Those of the newest files that are signed by the present keys of root. */
  readonly timestamp: SignedDocument<'timestamp'> | undefined;
  readonly snapshot: SignedDocument<'snapshot'> | undefined;
  readonly targets: SignedDocument<'targets'> | undefined;
  /** The releases of that targets, and of the delegated files that were verified with it. */
  readonly releases: ReleaseDocuments | undefined;
  /** The newest set that was verified as a whole, while its targets is signed by a present key. */
  readonly set: MetadataSet | undefined;
}

/** Why a cache was not used: it is as if this host had never seen the repository. */
export type CacheDropped = 'damaged' | 'pinned-root-changed';

/**
 * Believes a kept state only as far as it follows from the pinned root. A state that began with
 * another pinned root is dropped with everything in it.
 */
export function trustState(
  pinned: RootDocument,
  state: TrustState | 'damaged' | undefined,
): Trusted | CacheDropped | undefined {
  if (state === undefined || state === 'damaged') return state;
  try {
    const [first, ...later] = state.roots;
    if (
      first === undefined ||
      !isSameRoot(pinned, readDocument('root', first, { form: pinned.form }))
    ) {
      return 'pinned-root-changed';
    }
    return readState(state, followRootChain(pinned, later));
  } catch (cause) {
    // It is whole, so it was written by another hand or an older Starling: not to be believed.
    if (cause instanceof RepositoryError) return 'damaged';
    throw cause;
  }
}

/** A host that has seen nothing but its pinned root. */
export const trustNothingBut = (pinned: RootDocument): Trusted =>
  readState({ roots: [pinned.text] }, pinned);

/** @throws RepositoryError REPOSITORY_MALFORMED */
export function readState(state: TrustState, root: RootDocument): Trusted {
  const { form } = root;
  const { timestamp, snapshot } = trustedOf(root, {
    timestamp:
      state.timestamp === undefined
        ? undefined
        : readDocument('timestamp', state.timestamp, { form }),
    snapshot:
      state.snapshot === undefined ? undefined : readDocument('snapshot', state.snapshot, { form }),
  });
  const { targets, releases } = trustedOf(
    root,
    state.set === undefined ? undefined : readSet(state.set, form),
  );
  const set = targets === undefined ? undefined : state.set;
  return { state, root, timestamp, snapshot, targets, releases, set };
}

/** The same words signed; white space in the file makes no other root. */
function isSameRoot(a: RootDocument, b: RootDocument): boolean {
  const [left, right] = [a, b].map(({ metadata }) => canonicalize(metadata.signed.toJSON()));
  return left === right;
}
