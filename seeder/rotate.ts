import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, StorageError } from '../src/errors.ts';
import {
  canComplete,
  completeSet,
  createKeyPair,
  loadKeyFiles,
  loadKeyring,
  loadPublicKeys,
  readPublishedSet,
  renewFiles,
  rootVersion,
  signNextRoot,
  type Keyring,
  type MetadataUpdate,
  type RootChange,
} from '../src/trust/index.ts';
import {
  withKeys,
  writePartlySigned,
  type Options,
  type Publisher,
  type PublishInit,
} from './publisher.ts';
import { parseRotatedRole, type RotatedRole } from './rotated-role.ts';

export interface RotateInit extends PublishInit {
  /** Files with the public keys that the role has from now on; a new one is made when there are none. */
  readonly newKeys: readonly string[];
  readonly threshold: number;
  /** Files with the private keys of root, if they are not in the directory. */
  readonly rootKeys: readonly string[];
}

export interface Rotated {
  readonly rootVersion: number;
  /** Where the new private key is, if one was made. */
  readonly newKey?: string | undefined;
  readonly out?: string | undefined;
}

/**
 * Gives a role other keys: signs the next root by the old and the new keys of root, signs again what
 * the role had signed, and hands both to the tracker at once. Hosts follow the chain of roots, however
 * many they have missed.
 * @throws ConfigError, RepositoryError, TrackerError; then nothing was rotated
 */
export async function rotateKeys(of: string, init: RotateInit, options: Options): Promise<Rotated> {
  const role = parseRotatedRole(of);
  const { keys: directory } = init;
  const rootKeys = await loadKeyFiles(
    init.rootKeys.length > 0 ? init.rootKeys : [join(directory, 'root.key')],
  );
  const made = init.newKeys.length > 0 ? undefined : await makeKey(role, directory);
  const newKeys = await loadPublicKeys(made === undefined ? init.newKeys : [made.publicPath]);
  const fresh = made === undefined ? [] : await loadKeyFiles([made.path]);
  const kept = await keptKeys(directory);
  const keys = [...rootKeys, ...Object.values(kept), ...fresh];
  const publisher = await withKeys(init, keys, options);
  const roleKeys = { keys: newKeys, threshold: init.threshold };
  const change: RootChange =
    role === 'online' ? { snapshot: roleKeys, timestamp: roleKeys } : { [role]: roleKeys };
  const { root, isComplete } = signNextRoot({
    root: publisher.root,
    change,
    keys,
    now: new Date(),
    expiresAfterMs: init.expires,
  });
  const update = role === 'root' ? {} : await signedUnder(root, publisher, role, options);
  const rotated = { rootVersion: rootVersion(root), newKey: made?.path };
  if (init.out !== undefined) {
    await writePartlySigned(init.out, { root, ...update });
    return { ...rotated, out: init.out };
  }
  if (!isComplete) throw tooFew();
  const push = Object.keys(update).length === 0 ? { root } : { root, update };
  await publisher.client.pushRoot(push, options);
  await putInPlace(directory, { root, role, made: made?.path });
  return { ...rotated, newKey: made === undefined ? undefined : join(directory, `${role}.key`) };
}

/** What the keys of a role have signed, signed again under the new root; {} when that is not ours. */
async function signedUnder(
  root: string,
  publisher: Publisher,
  role: RotatedRole,
  options: Options,
): Promise<MetadataUpdate> {
  const current = await readPublishedSet(publisher, { root: publisher.root }, options);
  if (current === undefined) return {};
  const init = { ...publisher, root, currentRoot: publisher.root, now: new Date(), current };
  const update = role === 'targets' ? renewFiles({ ...init, evenWhenFresh: true }) : {};
  return canComplete(init) ? completeSet({ ...init, update }) : update;
}

async function makeKey(
  role: RotatedRole,
  directory: string,
): Promise<{ path: string; publicPath: string }> {
  if (role === 'online') {
    throw new ConfigError(
      'CONFIG_MISSING',
      "give the public key of the tracker: --key FILE; 'tracker online-key' says where it is",
    );
  }
  const path = join(directory, `${role}.next.key`);
  return { path, ...(await createKeyPair(path)) };
}

/** Keys that sign again what the role has signed; there may be none, where only root is here. */
async function keptKeys(directory: string): Promise<Keyring> {
  try {
    return await loadKeyring(directory);
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'CONFIG_MISSING') return [];
    throw error;
  }
}

/** The tracker has it: what is in the directory follows. */
async function putInPlace(
  directory: string,
  done: { readonly root: string; readonly role: RotatedRole; readonly made: string | undefined },
): Promise<void> {
  const { root, role, made } = done;
  try {
    await writeFile(join(directory, 'root.json.new'), root);
    await rename(join(directory, 'root.json.new'), join(directory, 'root.json'));
    if (made === undefined) return;
    const path = join(directory, `${role}.key`);
    await rename(path, join(directory, `${role}.old.key`)).catch(() => undefined);
    await rename(made, path);
    await rename(made.replace(/\.key$/, '.pub'), join(directory, `${role}.pub`));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StorageError(
      'STORAGE_FAILED',
      `The tracker has the new root, but ${directory} could not be changed (${why}): the new key is ${made ?? 'elsewhere'}, and root.json is served by the tracker`,
      { cause, evidence: { directory } },
    );
  }
}

const tooFew = (): ConfigError =>
  new ConfigError(
    'CONFIG_INVALID',
    'Too few keys of root, of the old or of the new ones, have signed the next root: give more with --root-key, or write it to a file with --out, for others to sign too',
  );
