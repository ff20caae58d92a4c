import type { ChannelName, MetadataSummary, Release } from '../src/trust/index.ts';

/** What somebody does by publishing: for the audit log. */
export interface Publication {
  readonly actor: string;
  readonly action: 'release.push' | 'root.push';
  /** The versions that are served then. */
  readonly summary: Readonly<Record<string, number>>;
  /** What channels name now that they did not name before, and which channels are gone. */
  readonly changed: readonly Release[];
  readonly removed: readonly ChannelName[];
}

/** Who publishes, and by what. */
export type Publisher = Pick<Publication, 'actor' | 'action'>;

/** What is new between two sets. */
export function publicationOf(
  who: Publisher,
  sets: {
    readonly before: MetadataSummary | undefined;
    readonly after: MetadataSummary | undefined;
    readonly rootVersion: number;
  },
): Publication {
  const { before, after, rootVersion } = sets;
  const [old, next] = [before?.releases ?? [], after?.releases ?? []];
  const names = new Set(next.map(nameOf));
  return {
    ...who,
    summary: { root: rootVersion, targets: after?.targetsVersion ?? 0 },
    changed: changedReleases(old, next),
    removed: old.filter((release) => !names.has(nameOf(release))),
  };
}

/** Those whose image, or number, is another than before. */
export function changedReleases(
  before: readonly Release[],
  now: readonly Release[],
): readonly Release[] {
  const known = new Set(before.map(contentOf));
  return now.filter((release) => !known.has(contentOf(release)));
}

const nameOf = ({ app, channel }: ChannelName): string => `${app}/${channel}`;

const contentOf = ({ app, channel, imageId, release }: Release): string =>
  [app, channel, imageId, release].join(' ');
