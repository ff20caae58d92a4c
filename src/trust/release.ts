import { channelPath, parseChannelPath } from './channel-path.ts';
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
}

/** The release that targets.json has for a channel, if it has one. */
export function releaseIn(
  targets: SignedDocument<'targets'>,
  name: { app: string; channel: string },
): Release | undefined {
  const path = channelPath(name);
  const { targets: entries } = targets.signed;
  const entry = Object.hasOwn(entries, path) ? entries[path] : undefined;
  return entry === undefined ? undefined : releaseOf(path, entry);
}

/** All releases, by app and channel. */
export function releasesIn(targets: SignedDocument<'targets'>): Release[] {
  return Object.entries(targets.signed.targets)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, entry]) => releaseOf(path, entry));
}

/**
 * Checks that no channel goes back: its release number never falls, and one number is only ever
 * given to one image.
 * @throws RepositoryError REPOSITORY_ROLLBACK
 */
export function checkReleases(
  trusted: SignedDocument<'targets'>,
  next: SignedDocument<'targets'>,
): void {
  for (const now of releasesIn(next)) {
    const before = releaseIn(trusted, now);
    if (before === undefined || now.release > before.release) continue;
    const path = channelPath(now);
    if (now.release < before.release) {
      const what = `${path} is at release ${now.release}, and release ${before.release} was seen before`;
      throw rolledBack('targets', { what, expected: before.release, actual: now.release });
    }
    if (JSON.stringify(now) === JSON.stringify(before)) continue;
    const what = `release ${now.release} of ${path} was image ${before.imageId} (version ${before.version}), and is now image ${now.imageId} (version ${now.version})`;
    throw rolledBack('targets', { what, expected: before.imageId, actual: now.imageId });
  }
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
  };
}
