import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import { storageError, systemCodeOf } from './file-errors.ts';
import { maxMetadataBytes } from './metadata-schema.ts';
import { sourceUrl, type MetadataSource } from './metadata-source.ts';
import type { RoleName } from './refusals.ts';

/** The files that tuf-js keeps, by role. */
export type CachedFiles = ReadonlyMap<RoleName, string>;

export interface TufRun {
  /** What tuf-js holds after the run: it writes a file when it has accepted it. */
  readonly files: CachedFiles;
  /** Why it stopped before the end. */
  readonly failure: { readonly error: unknown } | undefined;
}

const scratchPrefix = 'refresh-';
const abandonedAfterMs = 3_600_000;
const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/**
 * Runs the client workflow of TUF 1.0, "5. Detailed client workflow", by tuf-js, which takes the
 * time from this machine's clock. tuf-js overwrites its files in place, where a crash would tear
 * them, and takes a bad one for none at all; so it works on a scratch copy, and what it has accepted
 * is returned.
 * @throws StorageError when the scratch copy can't be made.
 */
export async function runTuf(
  components: { source: MetadataSource },
  init: { directory: string; files: CachedFiles },
): Promise<TufRun> {
  const { directory } = init;
  let scratch: string | undefined;
  try {
    await mkdir(directory, { recursive: true });
    await removeAbandoned(directory);
    scratch = await mkdtemp(join(directory, scratchPrefix));
    for (const [role, text] of init.files) await writeFile(join(scratch, `${role}.json`), text);
    const failure = await update(components.source, scratch);
    return { files: await readFiles(scratch), failure };
  } catch (cause) {
    throw storageError(directory, 'used for verifying metadata', cause);
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

async function update(source: MetadataSource, scratch: string): Promise<TufRun['failure']> {
  try {
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: sourceUrl,
      fetcher: source,
      config: {
        rootMaxLength: maxMetadataBytes.root,
        timestampMaxLength: maxMetadataBytes.timestamp,
        snapshotMaxLength: maxMetadataBytes.snapshot,
        targetsMaxLength: maxMetadataBytes.targets,
      },
    });
    await updater.refresh();
    return undefined;
  } catch (error) {
    return { error };
  }
}

async function readFiles(scratch: string): Promise<CachedFiles> {
  const files = new Map<RoleName, string>();
  for (const role of roles) {
    try {
      files.set(role, await readFile(join(scratch, `${role}.json`), 'utf8'));
    } catch (cause) {
      if (systemCodeOf(cause) !== 'ENOENT') throw cause;
    }
  }
  return files;
}

/** What a process that was killed has left behind. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(scratchPrefix)) continue;
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}
