import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Root, type Key } from '@tufjs/models';
import { ConfigError } from '../errors.ts';
import { defaultExpiry } from './expiry.ts';
import { storageError, systemCodeOf } from './file-errors.ts';
import { readPrivateFile } from './private-file.ts';
import { expiryText, signedText, specVersion } from './signed-text.ts';
import {
  generateKey,
  parseKey,
  parsePublicKey,
  type Keyring,
  type SigningKey,
  type SigningKeys,
} from './signing-key.ts';

const offlineRoles = ['root', 'targets'] as const;
const onlineRoles = ['snapshot', 'timestamp'] as const;
const rootFile = 'root.json';
const keyFile = (role: string): string => `${role}.key`;

/** A PEM of an ed25519 key has about 120 bytes. */
const maxKeyBytes = 4_096;

interface NewFile {
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

/**
 * Makes the keys of a new repository: `root.key`, `targets.key`, `snapshot.key` and `timestamp.key`
 * (ed25519, PKCS#8 PEM, for the owner's eyes only from the first moment) and `root.json`, signed by
 * the root key, which hosts are given. All of them, or none; existing ones are never touched.
 * @param options `onlineKey`: the public half of a tracker's key, which root names for snapshot and
 * timestamp; then these two are not made
 * @throws ConfigError CONFIG_IN_USE when one of the files exists.
 * @throws StorageError when they can't be written.
 */
export async function createKeys(
  directory: string,
  options: {
    now: Date;
    rootExpiresAfterMs?: number | undefined;
    onlineKey?: Key | undefined;
  },
): Promise<{ rootPath: string }> {
  const expires = expiryText(options.now, options.rootExpiresAfterMs ?? defaultExpiry.rootMs);
  await writeAll(directory, newFiles(expires, options.onlineKey));
  return { rootPath: join(directory, rootFile) };
}

/**
 * Makes a key pair: the private half at `path`, for its owner's eyes only, the public one beside it,
 * with the ending `.pub`. Both, or none; existing ones are never touched.
 * @throws ConfigError CONFIG_IN_USE when one of them exists; StorageError
 */
export async function createKeyPair(path: string): Promise<{ publicPath: string; keyId: string }> {
  const { pem, publicPem, key } = generateKey();
  const publicPath = publicPathOf(path);
  await writeAll(dirname(path), [
    { name: basename(path), text: pem, mode: 0o600 },
    { name: basename(publicPath), text: publicPem, mode: 0o644 },
  ]);
  return { publicPath, keyId: key.key.keyID };
}

const publicPathOf = (path: string): string => `${path.replace(/\.key$/, '')}.pub`;

/**
 * Reads public keys, one from each file.
 * @throws ConfigError CONFIG_MISSING, CONFIG_INVALID; StorageError
 */
export function loadPublicKeys(paths: readonly string[]): Promise<Key[]> {
  return Promise.all(
    paths.map(async (path) => {
      try {
        await using handle = await open(path, 'r');
        const { size } = await handle.stat();
        return parsePublicKey(path, size > maxKeyBytes ? '' : await handle.readFile('utf8'));
      } catch (cause) {
        throw fileError(path, cause, 'give the file with a public key');
      }
    }),
  );
}

/**
 * Reads private keys, one from each file.
 * @throws as loadKeys
 */
export const loadKeyFiles = (paths: readonly string[]): Promise<SigningKey[]> =>
  Promise.all(paths.map(loadKey));

/**
 * Reads the keys that sign releases: that of targets alone, where those of snapshot and timestamp are
 * a tracker's.
 * @throws as loadKeys
 */
export async function loadKeyring(directory: string): Promise<Keyring> {
  const names = onlineRoles.map(keyFile);
  const found: readonly string[] = await readdir(directory).catch(() => []);
  if (names.some((name) => found.includes(name))) return loadKeys(directory);
  return [await loadKey(join(directory, keyFile('targets')))];
}

/**
 * Reads the keys that sign a release. The root key is not needed, and need not be there.
 * @throws ConfigError CONFIG_MISSING when one is not there; CONFIG_INVALID when others than the owner
 * may read or change it, or when it is not an ed25519 key.
 */
export async function loadKeys(directory: string): Promise<SigningKeys> {
  return {
    targets: await loadKey(join(directory, keyFile('targets'))),
    snapshot: await loadKey(join(directory, keyFile('snapshot'))),
    timestamp: await loadKey(join(directory, keyFile('timestamp'))),
  };
}

async function writeAll(directory: string, files: readonly NewFile[]): Promise<void> {
  const written: string[] = [];
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const file of files) {
      const path = join(directory, file.name);
      await writeNew(path, file, () => written.push(path));
    }
    await using handle = await open(directory, 'r');
    await handle.sync();
  } catch (cause) {
    for (const path of written) await rm(path, { force: true });
    if (cause instanceof ConfigError) throw cause;
    throw storageError(directory, 'filled with new keys', cause);
  }
}

/** `root.json` comes last: where it is, the keys are all there. */
function newFiles(expires: string, onlineKey: Key | undefined): NewFile[] {
  const root = new Root({ version: 1, specVersion, expires, consistentSnapshot: true });
  const roles = onlineKey === undefined ? [...offlineRoles, ...onlineRoles] : offlineRoles;
  const made = roles.map((role) => ({ role, ...generateKey() }));
  for (const { role, key } of made) root.addKey(key.key, role);
  if (onlineKey !== undefined) for (const role of onlineRoles) root.addKey(onlineKey, role);
  const rootKeys = made.filter(({ role }) => role === 'root').map(({ key }) => key);
  return [
    ...made.map(({ role, pem }) => ({ name: keyFile(role), text: pem, mode: 0o600 })),
    { name: rootFile, text: signedText(root, rootKeys), mode: 0o644 },
  ];
}

async function writeNew(path: string, file: NewFile, onCreated: () => void): Promise<void> {
  try {
    await using handle = await open(path, 'wx', file.mode);
    onCreated();
    // The umask may have taken rights away; it never adds any.
    await handle.chmod(file.mode);
    await handle.writeFile(file.text);
    await handle.sync();
  } catch (cause) {
    if (systemCodeOf(cause) !== 'EEXIST') throw cause;
    throw new ConfigError(
      'CONFIG_IN_USE',
      `${path} exists already, and keys are never overwritten: hosts believe only the root.json that they were given. No key was made; choose another directory, or use the keys that are there`,
      { cause, evidence: { path } },
    );
  }
}

async function loadKey(path: string): Promise<SigningKey> {
  try {
    return parseKey(path, await readPrivateFile(path, maxKeyBytes));
  } catch (cause) {
    throw fileError(path, cause, 'give the directory that "seeder keys init" has filled');
  }
}

function fileError(path: string, cause: unknown, remedy: string): unknown {
  if (systemCodeOf(cause) !== 'ENOENT') return storageError(path, 'read', cause);
  return new ConfigError('CONFIG_MISSING', `${path} does not exist: ${remedy}`, {
    cause,
    evidence: { path },
  });
}
