import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReleasePushed, TrackerClient } from '../src/api/index.ts';
import { openOperatorClient, readOptionFile } from '../src/cli/index.ts';
import { ConfigError, RepositoryError } from '../src/errors.ts';
import {
  canComplete,
  completeSet,
  loadKeyFiles,
  loadKeyring,
  readPublishedRoot,
  readPublishedSet,
  type Expiry,
  type FetchMetadata,
  type Keyring,
  type MetadataSet,
  type MetadataUpdate,
} from '../src/trust/index.ts';

/** Where what is signed goes, and who signs it. */
export interface PublishInit {
  /** The directory with the keys and root.json. */
  readonly keys: string;
  /** Files with private keys, in the place of those in the directory. */
  readonly key?: readonly string[] | undefined;
  /** The root.json, if it is not in the directory. */
  readonly root?: string | undefined;
  readonly tracker?: readonly string[] | undefined;
  /** The file with the only certificates that are believed of it. */
  readonly trackerCa?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tokenInClear?: boolean | undefined;
  /** How long the signatures are good, in milliseconds. */
  readonly expires?: number | undefined;
  /** A file for what others have to sign too; then nothing is pushed. */
  readonly out?: string | undefined;
}

export interface Publisher {
  readonly client: TrackerClient;
  readonly fetchMetadata: FetchMetadata;
  readonly keys: Keyring;
  /** The newest root, by the chain from the one that was given. */
  readonly root: string;
  readonly expiry: Partial<Expiry>;
}

export interface Options {
  readonly signal?: AbortSignal | undefined;
}

/** So many others may be first, one after the other, before it is given up. */
const maxTries = 10;

/**
 * Reads keys and root, and follows root to the newest that the tracker has.
 * @throws ConfigError, RepositoryError, TrackerError
 */
export async function openPublisher(init: PublishInit, options: Options): Promise<Publisher> {
  const keys =
    (init.key ?? []).length > 0 ? await loadKeyFiles(init.key ?? []) : await loadKeyring(init.keys);
  return withKeys(init, keys, options);
}

/** The same with keys that were read. */
export async function withKeys(
  init: PublishInit,
  keys: Keyring,
  options: Options,
): Promise<Publisher> {
  const client = await openOperatorClient(init);
  const given = await readOptionFile(init.root ?? join(init.keys, 'root.json'), 'root.json');
  const fetchMetadata: FetchMetadata = (name, maxBytes, how) =>
    client.metadata(name, maxBytes, how);
  const root = await readPublishedRoot({ fetchMetadata }, { root: given }, options);
  return { client, fetchMetadata, keys, root, expiry: expiryOf(init, { root, keys }) };
}

/** What `--expires` is about: snapshot and timestamp, or what else these keys sign. */
function expiryOf({ expires }: PublishInit, init: { root: string; keys: Keyring }) {
  if (expires === undefined) return {};
  return canComplete(init) ? { snapshotMs: expires, timestampMs: expires } : { targetsMs: expires };
}

/**
 * Signs on top of what the tracker serves, and hands it over; again, when somebody else was first
 * with a push. Where the keys can't sign snapshot and timestamp, the tracker's own key does.
 * @param init `apps`: those whose delegated files are needed; all, if it is not given
 */
export async function publish<T extends { readonly update: MetadataUpdate }>(
  publisher: Publisher,
  init: { readonly apps?: readonly string[] | undefined },
  options: Options,
  sign: (current: MetadataSet | undefined) => T,
): Promise<T & { readonly pushed: ReleasePushed }> {
  const { client, root } = publisher;
  const read = () => readPublishedSet(publisher, { root, apps: init.apps }, options);
  let current = await read();
  for (let tries = 1; ; tries++) {
    const signed = sign(current);
    const now = new Date();
    const push = canComplete(publisher)
      ? completeSet({ ...publisher, now, current, update: signed.update, apps: init.apps })
      : signed.update;
    try {
      return { ...signed, pushed: await client.pushRelease(push, options) };
    } catch (error) {
      const isOld = error instanceof RepositoryError && error.code === 'REPOSITORY_ROLLBACK';
      if (!isOld || tries === maxTries) throw error;
      const newer = await read();
      if (newer?.timestamp === current?.timestamp) throw error;
      current = newer;
    }
  }
}

/** What is passed on between those who sign: an update, or a new root with one. */
export interface PartlySigned extends MetadataUpdate {
  readonly root?: string | undefined;
}

/** @throws ConfigError when the file can't be written */
export async function writePartlySigned(path: string, files: PartlySigned): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(files)}\n`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_INVALID', `${path} can't be written: ${why}`, { cause });
  }
}

/** @throws ConfigError when it is not such a file */
export async function readPartlySigned(path: string): Promise<PartlySigned> {
  const { partlySignedSchema } = await import('../src/api/index.ts');
  try {
    return partlySignedSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      'CONFIG_INVALID',
      `${path} is not a file that "--out" has written: ${why}`,
      { cause, evidence: { path } },
    );
  }
}
