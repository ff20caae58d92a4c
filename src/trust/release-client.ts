import { RepositoryError } from '../errors.ts';
import { channelPath } from './channel-path.ts';
import type { MetadataSet } from './metadata-set.ts';
import { releaseIn, releasesIn, type Release } from './release.ts';
import { TufClient, type TufClientComponents, type TufClientInit } from './tuf-client.ts';

export type ReleaseClientComponents = TufClientComponents;
export type ReleaseClientInit = Omit<TufClientInit, 'form'>;

/**
 * Reads a TUF repository of releases. What it reports is the newest release that was verified as a
 * whole: when `refresh` throws, that stays what it was, also for the next client on the same
 * directory, and also when it has expired meanwhile. So a host keeps running what it runs, and moves
 * on only after a `refresh` that returned.
 */
export class ReleaseClient {
  readonly #client: TufClient;

  /** @throws ConfigError CONFIG_INVALID when the pinned root can't be used. */
  constructor(components: ReleaseClientComponents, init: ReleaseClientInit) {
    this.#client = new TufClient(components, init);
  }

  /**
   * Asks the repository what is new and verifies it, by this machine's clock. Returns when what is
   * new is on disk. A repository in which nothing was published yet has no releases, and is not
   * refused.
   * @throws RepositoryError REPOSITORY_ROLLBACK, REPOSITORY_EXPIRED, REPOSITORY_MIX_AND_MATCH,
   * REPOSITORY_SIGNATURE or REPOSITORY_MALFORMED; StorageError; and what `fetchMetadata` throws, as
   * it is.
   */
  async refresh(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#client.refresh({ signal: options.signal });
  }

  /** The verified release of a channel, if there is one. */
  async releaseOf(app: string, channel: string): Promise<Release | undefined> {
    const { releases } = await this.#client.trusted();
    return releases === undefined ? undefined : releaseIn(releases, { app, channel });
  }

  /**
   * The verified release of a channel.
   * @throws RepositoryError REPOSITORY_NO_RELEASE when there is none.
   */
  async expectRelease(app: string, channel: string): Promise<Release> {
    const release = await this.releaseOf(app, channel);
    if (release !== undefined) return release;
    const known = (await this.releases()).map(channelPath);
    const actual = known.slice(0, 20);
    const others =
      actual.length === 0 ? 'it has no releases at all' : `it has ${actual.join(', ')}`;
    const expected = channelPath({ app, channel });
    throw new RepositoryError(
      'REPOSITORY_NO_RELEASE',
      `The repository has no release of ${expected}: ${others}. Check the name, or publish one with: seeder release ${app} ${channel} IMAGE`,
      { evidence: { role: 'targets', expected, actual } },
    );
  }

  /** All verified releases, by app and channel. */
  async releases(): Promise<Release[]> {
    const { releases } = await this.#client.trusted();
    return releases === undefined ? [] : releasesIn(releases);
  }

  /** The verified set, as served: what the next release is based on. */
  async current(): Promise<MetadataSet | undefined> {
    return (await this.#client.trusted()).set;
  }
}
