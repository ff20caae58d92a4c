import { join } from 'node:path';
import { openPinnedFetch, TrackerClient, type ReleasePushed } from '../src/api/index.ts';
import { ConfigError, RepositoryError } from '../src/errors.ts';
import type { StoredImage } from '../src/image/index.ts';
import { readManifest } from '../src/image/index.ts';
import {
  loadKeys,
  readPublishedSet,
  renew,
  signRelease,
  type Expiry,
  type FetchMetadata,
  type MetadataSet,
  type Release,
  type SigningKeys,
} from '../src/trust/index.ts';
import { readOptionFile } from './keys-option.ts';

/** Where a release goes, and who signs it. */
export interface PublishInit {
  readonly keys: string;
  readonly tracker?: readonly string[] | undefined;
  /** The file with the only certificates that are believed of it. */
  readonly trackerCa?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** How long snapshot and timestamp are good, in milliseconds. */
  readonly expires?: number | undefined;
}

interface Publisher {
  readonly client: TrackerClient;
  readonly keys: SigningKeys;
  readonly root: string;
  readonly expiry: Partial<Expiry>;
}

/** So many others may be first, one after the other, before it is given up. */
const maxTries = 10;

/**
 * Signs that the channel now names the image, and hands it to the tracker.
 * @throws ConfigError, RepositoryError, TrackerError; then nothing was released
 */
export async function publishRelease(
  init: PublishInit & { readonly app: string; readonly channel: string },
  image: StoredImage,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Release> {
  const { client, ...publisher } = await openPublisher(init);
  const { info } = image.metainfo;
  const { version } = await readManifest(image.tree);
  const named = {
    app: init.app,
    channel: init.channel,
    imageId: image.imageId,
    infoHash: info.infoHash.toString('hex'),
    infoBytes: info.encoded.length,
    version,
  };
  const { release } = await pushOnCurrent({ ...publisher, client }, options, (current) =>
    signRelease({ ...publisher, now: new Date(), current, release: named }),
  );
  return release;
}

/** Signs the current releases again. @throws as publishRelease */
export async function renewReleases(
  init: PublishInit,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<ReleasePushed> {
  const { client, ...publisher } = await openPublisher(init);
  const { pushed } = await pushOnCurrent({ ...publisher, client }, options, (current) => {
    if (current !== undefined) return { set: renew({ ...publisher, now: new Date(), current }) };
    throw new RepositoryError(
      'REPOSITORY_NO_RELEASE',
      `${client.url} holds no releases yet, so there is nothing to sign again`,
    );
  });
  return pushed;
}

/** Signs on top of what the tracker serves; again, when somebody else was first with a push. */
async function pushOnCurrent<T extends { readonly set: MetadataSet }>(
  { client, root }: Publisher,
  options: { signal?: AbortSignal | undefined },
  sign: (current: MetadataSet | undefined) => T,
): Promise<T & { readonly pushed: ReleasePushed }> {
  const fetchMetadata: FetchMetadata = (name, maxBytes, how) =>
    client.metadata(name, maxBytes, how);
  let current = await readPublishedSet({ fetchMetadata }, { root }, options);
  for (let tries = 1; ; tries++) {
    const signed = sign(current);
    try {
      return { ...signed, pushed: await client.pushRelease(signed.set, options) };
    } catch (error) {
      const isOld = error instanceof RepositoryError && error.code === 'REPOSITORY_ROLLBACK';
      if (!isOld || tries === maxTries) throw error;
      const newer = await readPublishedSet({ fetchMetadata }, { root }, options);
      if (newer?.timestamp === current?.timestamp) throw error;
      current = newer;
    }
  }
}

async function openPublisher(init: PublishInit): Promise<Publisher> {
  const [tracker, ...others] = init.tracker ?? [];
  if (tracker === undefined || others.length > 0) {
    throw new ConfigError('CONFIG_MISSING', 'give one tracker to publish at: --tracker URL');
  }
  if (init.tokenFile === undefined) {
    throw new ConfigError(
      'CONFIG_MISSING',
      "give the file with the tracker's bearer token: --token-file FILE; the tracker says where it is when it starts",
    );
  }
  const token = (await readOptionFile(init.tokenFile, 'the token file')).trim();
  const root = await readOptionFile(join(init.keys, 'root.json'), 'root.json');
  const keys = await loadKeys(init.keys);
  const { expires, trackerCa } = init;
  const fetch = trackerCa === undefined ? undefined : await openPinnedFetch(trackerCa);
  const client = new TrackerClient({ fetch }, { url: tracker, token });
  const expiry = expires === undefined ? {} : { snapshotMs: expires, timestampMs: expires };
  return { client, keys, root, expiry };
}
