import { channelPath, parseChannelPath, type ChannelName } from './channel-path.ts';
import { delegatedFile, delegationOf, type DelegationChain } from './delegations.ts';
import type { TargetEntry } from './metadata-schema.ts';
import { rolledBack } from './refusals.ts';
import type { SignedDocument } from './signed-document.ts';

/** A signed pointer from app/channel to an image. */
export interface Release {
  readonly app: string;
  readonly channel: string;
  readonly imageId: string;
  /** The SHA-256 of the info dictionary, 64 hexadecimal digits: the v2 info-hash. */
  readonly infoHash: string;
  /** The length of the info dictionary, not of the image. */
  readonly infoBytes: number;
  /** Counts the releases of this app and channel: 1, 2, 3, … */
  readonly release: number;
  /** The version that the image's manifest gives. */
  readonly version: string;
  /** The plan by which hosts activate it (`parsePlan`); without one each does at once. */
  readonly rollout?: string | undefined;
  /** What the image needs when it runs, by name, and of what type. */
  readonly needs?: Readonly<Record<string, string>> | undefined;
}

/** The files that releases come from. Delegated ones may be missing: of these nothing is known. */
export interface ReleaseDocuments extends DelegationChain {
  readonly delegated: ReadonlyMap<string, SignedDocument<'delegated'>>;
}

/** The release of a channel, if it is known and there is one. */
export function releaseIn(documents: ReleaseDocuments, name: ChannelName): Release | undefined {
  const entry = entryOf(documents, name);
  return entry === undefined ? undefined : releaseOf(channelPath(name), entry);
}

/** All releases that are known, by app and channel. */
export function releasesIn(documents: ReleaseDocuments): Release[] {
  const paths = new Set(Object.keys(documents.targets.signed.targets));
  for (const { name, handover } of documents.targets.signed.delegations?.roles ?? []) {
    for (const channel of Object.keys(handover?.channels ?? {})) {
      paths.add(channelPath({ app: name, channel }));
    }
    const file = documents.delegated.get(name);
    for (const path of Object.keys(file?.signed.targets ?? {})) paths.add(path);
  }
  return [...paths]
    .sort()
    .map((path) => releaseIn(documents, parseChannelPath(path)))
    .filter((release) => release !== undefined);
}

/** The signed entries of an app's channels: what its keys have signed, and what was handed to them. */
export function channelsOf(documents: ReleaseDocuments, app: string): Record<string, TargetEntry> {
  const channels: Record<string, TargetEntry> = {};
  for (const { channel, app: owner } of releasesIn(documents)) {
    const entry = owner === app ? entryOf(documents, { app, channel }) : undefined;
    if (entry !== undefined) channels[channel] = entry;
  }
  return channels;
}

/**
 * Checks that no channel goes back: its release number never falls, and one number is only ever
 * given to one image; whoever has signed it, also over a delegation and back.
 * @throws RepositoryError REPOSITORY_ROLLBACK
 */
export function checkReleases(trusted: ReleaseDocuments, next: ReleaseDocuments): void {
  for (const now of releasesIn(next)) {
    const before = releaseIn(trusted, now);
    if (before !== undefined) checkForward('targets', before, now);
  }
}

/**
 * Checks that what the keys of an app have released goes on from what was handed to them.
 * @throws RepositoryError REPOSITORY_ROLLBACK
 */
export function checkHandover(
  targets: SignedDocument<'targets'>,
  document: SignedDocument<'delegated'>,
): void {
  const before = delegationOf(targets, document.name)?.handover?.channels ?? {};
  for (const [path, entry] of Object.entries(document.signed.targets)) {
    const now = releaseOf(path, entry);
    const handed = Object.hasOwn(before, now.channel) ? before[now.channel] : undefined;
    if (handed !== undefined) checkForward(document.name, releaseOf(path, handed), now);
  }
}

function checkForward(role: string, before: Release, now: Release): void {
  if (now.release > before.release) return;
  const path = channelPath(now);
  if (now.release < before.release) {
    const what = `${path} is at release ${now.release}, and release ${before.release} was seen before`;
    throw rolledBack(role, { what, expected: before.release, actual: now.release });
  }
  if (JSON.stringify(now) === JSON.stringify(before)) return;
  const what = `release ${now.release} of ${path} was image ${before.imageId} (version ${before.version}), and is now image ${now.imageId} (version ${now.version})`;
  throw rolledBack(role, { what, expected: before.imageId, actual: now.imageId });
}

/** Targets does not have channels of an app that it delegates, so there is one answer. */
function entryOf(documents: ReleaseDocuments, name: ChannelName): TargetEntry | undefined {
  const { targets, delegated } = documents;
  const path = channelPath(name);
  const own = targets.signed.targets;
  if (Object.hasOwn(own, path)) return own[path];
  const delegation = delegationOf(targets, name.app);
  if (delegation === undefined) return undefined;
  if (delegatedFile(documents, name.app) !== undefined) {
    const file = delegated.get(name.app);
    if (file === undefined) return undefined;
    if (Object.hasOwn(file.signed.targets, path)) return file.signed.targets[path];
  }
  const handed = delegation.handover?.channels ?? {};
  return Object.hasOwn(handed, name.channel) ? handed[name.channel] : undefined;
}

function releaseOf(path: string, entry: TargetEntry): Release {
  const { app, channel } = parseChannelPath(path);
  return {
    app,
    channel,
    imageId: entry.custom.image,
    infoHash: entry.hashes.sha256,
    infoBytes: entry.length,
    release: entry.custom.release,
    version: entry.custom.version,
    ...termsOf(entry.custom),
  };
}

/** What a release may say, and need not. */
export const termsOf = ({
  rollout,
  needs,
}: Pick<Release, 'rollout' | 'needs'>): Pick<Release, 'rollout' | 'needs'> => ({
  ...(rollout === undefined ? {} : { rollout }),
  ...(needs === undefined ? {} : { needs }),
});
