import { maxMetadataBytes } from './metadata-schema.ts';
import { verifyUpdate, type MetadataSet } from './metadata-set.ts';
import type { FetchMetadata } from './metadata-source.ts';
import { missing } from './role-checks.ts';
import { decodeMetadata, readDocument } from './signed-document.ts';

/** Of what is published, dates are not asked for. */
const beforeAllDates = new Date(0);

/**
 * What a repository holds now, for the one who signs what comes next: verified from root, all but
 * the dates. What has expired is still what the next release is based on, and to sign it again is
 * the remedy. A host must not use this: see ReleaseClient.
 * @returns undefined when nothing was published yet.
 * @throws RepositoryError when it is not signed by the keys of root, or is not one whole set; and
 * what `fetchMetadata` throws, as it is.
 */
export async function readPublishedSet(
  components: { readonly fetchMetadata: FetchMetadata },
  init: { readonly root: string },
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<MetadataSet | undefined> {
  const read = async (role: keyof MetadataSet, name: string): Promise<string | undefined> => {
    const bytes = await components.fetchMetadata(name, maxMetadataBytes[role], options);
    return bytes === undefined ? undefined : decodeMetadata(role, bytes);
  };
  const timestamp = await read('timestamp', 'timestamp.json');
  if (timestamp === undefined) return undefined;
  const { signed: stamp } = readDocument('timestamp', timestamp);
  const snapshotVersion = stamp.meta['snapshot.json'].version;
  const snapshot = await read('snapshot', `${snapshotVersion}.snapshot.json`);
  if (snapshot === undefined) throw missing('snapshot', 'timestamp', `version ${snapshotVersion}`);
  const { signed: list } = readDocument('snapshot', snapshot);
  const targetsVersion = list.meta['targets.json']?.version ?? 0;
  const targets = await read('targets', `${targetsVersion}.targets.json`);
  if (targets === undefined) throw missing('targets', 'snapshot', `version ${targetsVersion}`);
  const set = { targets, snapshot, timestamp };
  verifyUpdate({ root: init.root, current: undefined, next: set, now: beforeAllDates });
  return set;
}
