import { createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { storageError, systemCodeOf } from './file-errors.ts';
import { createPrivateFile, readPrivateFile } from './private-file.ts';
import { readTrustedRoot } from './root-chain.ts';
import { generateKey, parseKey, type SigningKey } from './signing-key.ts';

/** A PEM of an ed25519 key has about 120 bytes. */
const maxKeyBytes = 4_096;

/**
 * Loads the key with which a tracker signs snapshot and timestamp (PKCS#8 PEM, mode 0600), or makes
 * it: whole and on disk, or not at all. Its public half, for root, is in the file beside it.
 * @param path with the ending `.key`; the public half has `.pub`
 * @throws ConfigError CONFIG_INVALID when others can get at the file, or it holds no ed25519 key.
 * @throws StorageError when it can't be read or made.
 */
export async function openOnlineKey(
  path: string,
): Promise<{ key: SigningKey; publicPath: string }> {
  const publicPath = path.replace(/\.key$/, '.pub');
  try {
    const pem = await readOrMake(path);
    const key = parseKey(path, pem);
    const publicPem = createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString();
    await keepPublic(publicPath, publicPem);
    return { key, publicPath };
  } catch (cause) {
    throw storageError(path, 'read or made', cause);
  }
}

/** Whether root lets this key sign snapshot and timestamp by itself. */
export function isOnlineKey(root: string, { key }: SigningKey): boolean {
  const { roles } = readTrustedRoot(root).signed;
  return [roles.snapshot, roles.timestamp].every(
    ({ keyids, threshold }) => threshold === 1 && keyids.includes(key.keyID),
  );
}

/** Written when it is not there, so that a full disk does not keep a tracker from starting. */
async function keepPublic(path: string, pem: string): Promise<void> {
  const kept = await readFile(path, 'utf8').catch(() => undefined);
  if (kept !== pem) await writeFile(path, pem, { mode: 0o644 });
}

async function readOrMake(path: string): Promise<string> {
  try {
    return await readPrivateFile(path, maxKeyBytes);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
  const { pem } = generateKey();
  try {
    await createPrivateFile(path, pem);
    return pem;
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
    return readPrivateFile(path, maxKeyBytes);
  }
}
