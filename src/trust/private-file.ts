import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '../errors.ts';

/**
 * Reads a file with a private key.
 * @returns '' when it is longer than maxBytes: then it is no key
 * @throws ConfigError CONFIG_INVALID when others than its owner can read or change it
 * @throws the system's error, ENOENT when there is none
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<string> {
  await using handle = await open(path, 'r');
  const { mode, size } = await handle.stat();
  const rights = mode & 0o777;
  if ((rights & 0o077) !== 0) {
    const actual = rights.toString(8).padStart(4, '0');
    throw new ConfigError(
      'CONFIG_INVALID',
      `${path} has the mode ${actual}, so that others than its owner can get at the key: it is not used. Find out who read it, or change its mode with: chmod 600 ${path}`,
      { evidence: { path, expected: '0600', actual } },
    );
  }
  return size > maxBytes ? '' : await handle.readFile('utf8');
}

/**
 * Makes a file that only its owner can read, whole and on disk or not at all, and the directories
 * above it. What is there already is never touched.
 * @throws the system's error, EEXIST when there is one already
 */
export const createPrivateFile = (path: string, text: string): Promise<void> =>
  writePrivateFile(path, text, (fresh) => link(fresh, path));

/** Makes such a file, in the place of one that may be there: a reader sees the one or the other. */
export const replacePrivateFile = (path: string, text: string): Promise<void> =>
  writePrivateFile(path, text, (fresh) => rename(fresh, path));

async function writePrivateFile(
  path: string,
  text: string,
  place: (fresh: string) => Promise<void>,
): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const fresh = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    {
      await using handle = await open(fresh, 'wx', 0o600);
      // The umask may have taken rights away; it never adds any.
      await handle.chmod(0o600);
      await handle.writeFile(text);
      await handle.sync();
    }
    await place(fresh);
  } finally {
    await rm(fresh, { force: true });
  }
  await using handle = await open(directory, 'r');
  await handle.sync();
}
