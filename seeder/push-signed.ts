import type { ReleasePushed, RootPushed } from '../src/api/index.ts';
import { canComplete, completeSet, readPublishedSet } from '../src/trust/index.ts';
import {
  openPublisher,
  readPartlySigned,
  withKeys,
  type Options,
  type PublishInit,
} from './publisher.ts';

/**
 * Hands a file to the tracker that several key holders have signed. Snapshot and timestamp are signed
 * by the tracker, or by the keys in the directory, if they may.
 * @throws ConfigError, RepositoryError, TrackerError
 */
export async function pushSigned(
  path: string,
  init: PublishInit,
  options: Options,
): Promise<ReleasePushed | RootPushed> {
  const { root, ...update } = await readPartlySigned(path);
  const publisher = await openIfThere(init, options);
  const isUpdate = Object.keys(update).length > 0;
  const underRoot = { ...publisher, root: root ?? publisher.root };
  const push =
    isUpdate && canComplete(underRoot)
      ? completeSet({
          ...underRoot,
          now: new Date(),
          current: await readPublishedSet(publisher, { root: publisher.root }, options),
          update,
        })
      : update;
  if (root === undefined) return publisher.client.pushRelease(push, options);
  return publisher.client.pushRoot(isUpdate ? { root, update: push } : { root }, options);
}

/** Who only hands a file over needs no key. */
async function openIfThere(init: PublishInit, options: Options) {
  try {
    return await openPublisher(init, options);
  } catch (error) {
    if (init.key !== undefined || !isMissingKey(error)) throw error;
    return withKeys(init, [], options);
  }
}

const isMissingKey = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'CONFIG_MISSING';
