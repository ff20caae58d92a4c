import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, RepositoryError } from '../src/errors.ts';
import { verifyUpdate } from '../src/trust/index.ts';
import { storageError, systemCode } from './durable-file.ts';
import type { DurableFiles } from './durable-file.ts';
import { rootVersionOf, tufFileName } from './release-files.ts';

const maxRootBytes = 1 << 20;

/**
 * The root.json that this tracker serves and verifies against: at the first start the given one is
 * kept, and from then on it is the kept one.
 * @returns its exact text
 * @throws ConfigError CONFIG_MISSING when there is none, CONFIG_INVALID when the given file is none
 * or is another than the kept one.
 */
export async function openPinnedRoot(
  components: { readonly files: DurableFiles },
  init: { readonly directory: string; readonly rootPath?: string | undefined },
): Promise<string> {
  const keptPath = join(init.directory, 'root.json');
  const kept = await readKept(keptPath);
  const given = init.rootPath === undefined ? undefined : await readGiven(init.rootPath);
  if (given === undefined) {
    if (kept !== undefined) return kept;
    throw new ConfigError(
      'CONFIG_MISSING',
      `the tracker has no root.json in ${init.directory}: give it one at its first start`,
      { evidence: { directory: init.directory } },
    );
  }
  if (kept === given) return kept;
  if (kept !== undefined) {
    throw new ConfigError(
      'CONFIG_INVALID',
      `${init.rootPath ?? ''} is not the root.json that this tracker was first started with (${keptPath}): leave it out, or use another directory for another root`,
      { evidence: { rootPath: init.rootPath, keptPath } },
    );
  }
  const version = checkedVersion(given, init.rootPath ?? '');
  try {
    // root.json comes last: when it is there, all is there.
    await components.files.replace(join(init.directory, tufFileName('root', version)), given);
    await components.files.replace(keptPath, given);
    await components.files.syncDirectory(init.directory);
  } catch (error) {
    throw storageError(error, `root.json can't be kept in ${init.directory}`);
  }
  return given;
}

async function readKept(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw storageError(error, `the kept root ${path} can't be read`);
  }
}

async function readGiven(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= maxRootBytes) return await readFile(path, 'utf8');
  } catch (cause) {
    const code = systemCode(cause) ?? 'unknown';
    throw new ConfigError('CONFIG_INVALID', `the root ${path} can't be read (${code})`, {
      cause,
      evidence: { path },
    });
  }
  throw new ConfigError('CONFIG_INVALID', `${path} is too large to be a root.json`, {
    evidence: { path, maxRootBytes },
  });
}

function checkedVersion(text: string, path: string): number {
  try {
    refuseBadRoot(text);
    return rootVersionOf(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError('CONFIG_INVALID', `${path} can't be the root of this tracker: ${why}`, {
      cause,
      evidence: { path },
    });
  }
}

/** A root that its own keys did not sign would refuse every release later; better said now. */
function refuseBadRoot(root: string): void {
  const nothing = { targets: '', snapshot: '', timestamp: '' };
  try {
    verifyUpdate({ root, current: undefined, next: nothing, now: new Date(0) });
  } catch (error) {
    // That nothing is not a release is no news; what matters is whether the root got that far.
    if (!(error instanceof RepositoryError)) throw error;
  }
}
