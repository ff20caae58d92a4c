import type { ReleasePushed } from '../src/api/index.ts';
import { RepositoryError } from '../src/errors.ts';
import { readManifest, type Need, type StoredImage } from '../src/image/index.ts';
import {
  canComplete,
  readPublishedSet,
  renewFiles,
  signReleaseFile,
  type Release,
} from '../src/trust/index.ts';
import {
  openPublisher,
  publish,
  writePartlySigned,
  type Options,
  type PublishInit,
} from './publisher.ts';

/**
 * Signs that the channel now names the image, and hands it to the tracker; or into a file, for others
 * to sign too.
 * @throws ConfigError, RepositoryError, TrackerError; then nothing was released
 */
export async function publishRelease(
  init: PublishInit & {
    readonly app: string;
    readonly channel: string;
    /** The plan by which hosts activate it, as `parsePlan` reads it. */
    readonly rollout?: string | undefined;
  },
  image: StoredImage,
  options: Options = {},
): Promise<Release> {
  const publisher = await openPublisher(init, options);
  const { app, channel } = init;
  const { info } = image.metainfo;
  const { version, needs } = await readManifest(image.tree);
  const named = {
    app,
    channel,
    imageId: image.imageId,
    infoHash: info.infoHash.toString('hex'),
    infoBytes: info.encoded.length,
    version,
    ...(init.rollout === undefined ? {} : { rollout: init.rollout }),
    ...(needs === undefined ? {} : { needs: typesOf(needs) }),
  };
  const now = new Date();
  const apps = [app];
  if (init.out === undefined) {
    const { release } = await publish(publisher, { apps }, options, (current) =>
      signReleaseFile({ ...publisher, now, current, release: named }),
    );
    return release;
  }
  const current = await readPublishedSet(publisher, { root: publisher.root, apps }, options);
  const signed = { ...publisher, now, current, release: named, mayBePartial: true };
  const { update, release } = signReleaseFile(signed);
  await writePartlySigned(init.out, update);
  return release;
}

const typesOf = (needs: Readonly<Record<string, Need>>): Record<string, string> =>
  Object.fromEntries(Object.entries(needs).map(([name, { type }]) => [name, type]));

/** Signs the current releases again. @throws as publishRelease */
export async function renewReleases(
  init: PublishInit,
  options: Options = {},
): Promise<ReleasePushed> {
  const publisher = await openPublisher(init, options);
  // Without the keys of snapshot and timestamp there is nothing else to sign.
  const evenWhenFresh = !canComplete(publisher);
  const { pushed } = await publish(publisher, {}, options, (current) => {
    if (current !== undefined) {
      return { update: renewFiles({ ...publisher, now: new Date(), current, evenWhenFresh }) };
    }
    throw new RepositoryError(
      'REPOSITORY_NO_RELEASE',
      `${publisher.client.url} holds no releases yet, so there is nothing to sign again`,
    );
  });
  return pushed;
}
