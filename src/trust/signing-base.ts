import { TargetFile } from '@tufjs/models';
import { ConfigError } from '../errors.ts';
import { channelPath } from './channel-path.ts';
import { delegatedFile, delegationOf } from './delegations.ts';
import { defaultExpiry, type Expiry } from './expiry.ts';
import type { TargetEntry } from './metadata-schema.ts';
import { readSet, type Documents, type MetadataSet } from './metadata-set.ts';
import { missing } from './role-checks.ts';
import { readTrustedRoot, type RootDocument } from './root-chain.ts';
import { checkSignatures } from './signature-check.ts';
import type { SignedDocument } from './signed-document.ts';
import { expiryText, specVersion } from './signed-text.ts';
import type { Keyring } from './signing-key.ts';

export interface SigningInit {
  /** The text of root.json, which names the keys. */
  readonly root: string;
  readonly keys: Keyring;
  readonly now: Date;
  readonly expiry?: Partial<Expiry> | undefined;
  /** The root whose keys have signed what is published now, where that is an older one. */
  readonly currentRoot?: string | undefined;
  /** Whether fewer keys than needed may sign: others will add theirs (see addSignatures). */
  readonly mayBePartial?: boolean | undefined;
}

/** What a signature is based on. */
export interface Base {
  readonly root: RootDocument;
  /** What is published now, if anything is. */
  readonly current: Documents | undefined;
}

/**
 * Reads what is published now, and checks that what will be signed again is what the keys of root
 * have signed before.
 * @throws RepositoryError REPOSITORY_SIGNATURE
 */
export function readBase(init: SigningInit, current: MetadataSet | undefined): Base {
  const root = readTrustedRoot(init.root);
  if (current === undefined) return { root, current };
  const documents = readSet(current);
  checkSignatures(
    init.currentRoot === undefined ? root : readTrustedRoot(init.currentRoot),
    documents.targets,
  );
  return { root, current: documents };
}

/**
 * The file that the keys of an app have signed last, if it counts.
 * @throws RepositoryError REPOSITORY_MIX_AND_MATCH when it counts, and is not among the documents:
 * what is in it would be lost
 */
export function knownFile(
  current: Documents,
  app: string,
): SignedDocument<'delegated'> | undefined {
  const named = delegatedFile(current, app);
  const file = current.delegated.get(app);
  if (named === undefined) return undefined;
  if (file === undefined) throw missing(app, 'snapshot', `version ${named.version}`);
  return file;
}

/** Which keys may sign for a top-level role. */
export const topLevelRole = (
  root: RootDocument,
  name: 'targets' | 'snapshot' | 'timestamp',
): { name: string; keyIds: readonly string[] } => ({
  name,
  keyIds: root.signed.roles[name].keyids,
});

/** @throws ConfigError CONFIG_INVALID when targets does not delegate the app */
export function delegatedRole(
  base: Base,
  app: string,
): { name: string; keyIds: readonly string[] } {
  const delegation =
    base.current === undefined ? undefined : delegationOf(base.current.targets, app);
  if (delegation !== undefined) return { name: app, keyIds: delegation.keyids };
  throw new ConfigError('CONFIG_INVALID', `${app} is not delegated`, { evidence: { app } });
}

/** Whether one of the keys may sign for a role. */
export const maySign = (keys: Keyring, { keyIds }: { readonly keyIds: readonly string[] }) =>
  Object.values(keys).some(({ key }) => keyIds.includes(key.keyID));

/** Version and expiry of what is signed next. */
export function headOf(
  init: SigningInit,
  version: number,
  duration: keyof Expiry,
): { specVersion: string; version: number; expires: string } {
  const afterMs = { ...defaultExpiry, ...init.expiry }[duration];
  return { specVersion, version, expires: expiryText(init.now, afterMs) };
}

/** A signed entry as the models have it. */
export const targetFile = (path: string, entry: TargetEntry): TargetFile =>
  TargetFile.fromJSON(path, structuredClone(entry) as never);

/** The entries of an app's channels as those of targets. */
export const targetFilesOf = (
  app: string,
  channels: Readonly<Record<string, TargetEntry>>,
): Record<string, TargetFile> =>
  Object.fromEntries(
    Object.entries(channels).map(([channel, entry]) => {
      const path = channelPath({ app, channel });
      return [path, targetFile(path, entry)];
    }),
  );

/** The version that comes after this one. */
export const nextVersion = (
  before: SignedDocument<'targets' | 'snapshot' | 'timestamp'> | undefined,
) => (before?.signed.version ?? 0) + 1;
