import { delegatedFile, delegatedFiles } from './delegations.ts';
import { maxMetadataBytes } from './metadata-schema.ts';
import { verifyUpdate, type MetadataSet } from './metadata-set.ts';
import type { FetchMetadata } from './metadata-source.ts';
import type { DocumentKind } from './refusals.ts';
import { missing } from './role-checks.ts';
import { followRootChain, readTrustedRoot } from './root-chain.ts';
import { decodeMetadata, readDocument } from './signed-document.ts';

/** Of what is published, dates are not asked for. */
const beforeAllDates = new Date(0);

/** More roots than a repository ever gets. */
const maxRoots = 1_000;

interface Components {
  readonly fetchMetadata: FetchMetadata;
}

interface Options {
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a repository holds now, for the one who signs what comes next: verified from root, all but
 * the dates. What has expired is still what the next release is based on, and to sign it again is
 * the remedy. A host must not use this: see ReleaseClient.
 * @param init `apps`: those whose delegated files are read; all, if it is not given.
 * @returns undefined when nothing was published yet.
 * @throws RepositoryError when it is not signed by the keys of root, or is not one whole set; and
 * what `fetchMetadata` throws, as it is.
 */
export async function readPublishedSet(
  components: Components,
  init: { readonly root: string; readonly apps?: readonly string[] | undefined },
  options: Options = {},
): Promise<MetadataSet | undefined> {
  const read = async (role: DocumentKind, name: string): Promise<string | undefined> => {
    const bytes = await components.fetchMetadata(name, maxMetadataBytes[role], options);
    return bytes === undefined ? undefined : decodeMetadata(role, bytes);
  };
  const timestamp = await read('timestamp', 'timestamp.json');
  if (timestamp === undefined) return undefined;
  const { signed: stamp } = readDocument('timestamp', timestamp);
  const snapshotVersion = stamp.meta['snapshot.json'].version;
  const snapshot = await read('snapshot', `${snapshotVersion}.snapshot.json`);
  if (snapshot === undefined) throw missing('snapshot', 'timestamp', `version ${snapshotVersion}`);
  const list = readDocument('snapshot', snapshot);
  const targetsVersion = list.signed.meta['targets.json']?.version ?? 0;
  const targets = await read('targets', `${targetsVersion}.targets.json`);
  if (targets === undefined) throw missing('targets', 'snapshot', `version ${targetsVersion}`);
  const chain = { targets: readDocument('targets', targets), snapshot: list };
  const delegated: Record<string, string> = {};
  for (const app of delegatedFiles(chain, init.apps)) {
    const version = delegatedFile(chain, app)?.version ?? 0;
    const text = await read('delegated', `${version}.${app}.json`);
    if (text === undefined) throw missing(app, 'snapshot', `version ${version}`);
    delegated[app] = text;
  }
  const set = { targets, snapshot, timestamp };
  const next = Object.keys(delegated).length === 0 ? set : { ...set, delegated };
  verifyUpdate({ ...init, current: undefined, next, now: beforeAllDates });
  return next;
}

/**
 * The newest root of a repository, by the chain that begins with the given one.
 * @returns its text
 * @throws RepositoryError when a link of the chain does not hold; ConfigError when the given root
 * can't be used; and what `fetchMetadata` throws, as it is.
 */
export async function readPublishedRoot(
  components: Components,
  init: { readonly root: string },
  options: Options = {},
): Promise<string> {
  let root = readTrustedRoot(init.root);
  for (let count = 0; count < maxRoots; count++) {
    const name = `${root.signed.version + 1}.root.json`;
    const bytes = await components.fetchMetadata(name, maxMetadataBytes.root, options);
    if (bytes === undefined) break;
    root = followRootChain(root, [decodeMetadata('root', bytes)]);
  }
  return root.text;
}
