import { hash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { imageIdOf } from '../../../src/image/index.ts';
import { createKeys, loadKeys, signRelease } from '../../../src/trust/index.ts';
import type { MetadataSet, SigningKeys } from '../../../src/trust/index.ts';
import { startTracker } from '../../../tracker/index.ts';
import type { Tracker, TrackerComponents, TrackerConfig } from '../../../tracker/index.ts';

/** A folder that is gone when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'starling-tracker-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The keys of a repository, and what is needed to sign releases with them. */
export interface Publisher {
  readonly rootPath: string;
  readonly root: string;
  readonly keys: SigningKeys;
  /** Signs that `app/stable` is now an image whose content is `content`. */
  release(content: string, current?: MetadataSet, now?: Date, app?: string): MetadataSet;
}

export async function createPublisher(): Promise<Publisher> {
  const directory = await temporaryDirectory();
  const { rootPath } = await createKeys(directory, { now: new Date() });
  const [root, keys] = [await readFile(rootPath, 'utf8'), await loadKeys(directory)];
  return {
    rootPath,
    root,
    keys,
    release(content, current, now = new Date(), app = 'app') {
      const digest = hash('sha256', content, 'buffer');
      const image = { imageId: imageIdOf(digest), infoHash: digest.toString('hex') };
      const named = { app, channel: 'stable', infoBytes: content.length, version: '1.0.0' };
      return signRelease({ root, keys, now, current, release: { ...named, ...image } }).set;
    },
  };
}

/** A tracker on a free port that ends with the test, and its token. */
export async function runTracker(
  init: Partial<TrackerConfig> & { readonly directory: string },
  components?: TrackerComponents,
): Promise<{ tracker: Tracker; token: string }> {
  const config = { port: 0, logLevel: 'silent', ...init } as const;
  const tracker = await startTracker(config, components);
  onTestFinished(() => tracker[Symbol.asyncDispose]());
  return { tracker, token: (await readFile(tracker.tokenPath, 'utf8')).trim() };
}

/** A new publisher with a new tracker that has its root. */
export async function runNewTracker(
  init: Partial<TrackerConfig> = {},
  components?: TrackerComponents,
): Promise<{ publisher: Publisher; directory: string; tracker: Tracker; token: string }> {
  const publisher = await createPublisher();
  const directory = await temporaryDirectory();
  const { rootPath } = publisher;
  const running = await runTracker({ directory, rootPath, ...init }, components);
  return { publisher, directory, ...running };
}
