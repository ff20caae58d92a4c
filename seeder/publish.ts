import { join } from 'node:path';
import { TrackerClient, type ReleasePushed } from '../src/api/index.ts';
import { ConfigError, RepositoryError } from '../src/errors.ts';
import type { StoredImage } from '../src/image/index.ts';
import { readManifest, removeTree } from '../src/image/index.ts';
import {
  loadKeys,
  ReleaseClient,
  renew,
  signRelease,
  type Expiry,
  type MetadataSet,
  type Release,
  type SigningKeys,
} from '../src/trust/index.ts';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { readOptionFile } from './keys-option.ts';

/** Where a release goes, and who signs it. */
export interface PublishInit {
  readonly keys: string;
  readonly tracker?: readonly string[] | undefined;
  readonly tokenFile?: string | undefined;
  /** How long snapshot and timestamp are good, in milliseconds. */
  readonly expires?: number | undefined;
}

interface Publisher {
  readonly client: TrackerClient;
  readonly keys: SigningKeys;
  readonly root: string;
  /** What the tracker serves now, verified from the root that we were given. */
  readonly current: MetadataSet | undefined;
  readonly expiry: Partial<Expiry>;
}

/**
 * Signs that the channel now names the image, and hands it to the tracker.
 * @throws ConfigError, RepositoryError, TrackerError; then nothing was released
 */
export async function publishRelease(
  init: PublishInit & { readonly app: string; readonly channel: string },
  image: StoredImage,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Release> {
  const { client, current, ...publisher } = await openPublisher(init, options.signal);
  const { info } = image.metainfo;
  const manifest = await readManifest(image.tree);
  const { set, release } = signRelease({
    ...publisher,
    now: new Date(),
    current,
    release: {
      app: init.app,
      channel: init.channel,
      imageId: image.imageId,
      infoHash: info.infoHash.toString('hex'),
      infoBytes: info.encoded.length,
      version: manifest.version,
    },
  });
  await client.pushRelease(set, options);
  return release;
}

/** Signs the current releases again. @throws as publishRelease */
export async function renewReleases(
  init: PublishInit,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<ReleasePushed> {
  const { client, current, ...publisher } = await openPublisher(init, options.signal);
  if (current === undefined) {
    throw new RepositoryError(
      'REPOSITORY_NO_RELEASE',
      `${client.url} holds no releases yet, so there is nothing to sign again`,
    );
  }
  return client.pushRelease(renew({ ...publisher, now: new Date(), current }), options);
}

async function openPublisher(
  init: PublishInit,
  signal: AbortSignal | undefined,
): Promise<Publisher> {
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
  const client = new TrackerClient({}, { url: tracker, token });
  const { expires } = init;
  const expiry = expires === undefined ? {} : { snapshotMs: expires, timestampMs: expires };
  return { client, keys, root, current: await currentSet(client, root, signal), expiry };
}

/** What the tracker serves, as far as it follows from our root. */
async function currentSet(
  client: TrackerClient,
  root: string,
  signal: AbortSignal | undefined,
): Promise<MetadataSet | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'starling-release-'));
  try {
    const fetchMetadata: TrackerClient['metadata'] = (name, maxBytes, options) =>
      client.metadata(name, maxBytes, options);
    const releases = new ReleaseClient({ fetchMetadata }, { directory, root });
    await releases.refresh({ signal });
    return await releases.current();
  } finally {
    await removeTree(directory);
  }
}
