import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetFile } from '@tufjs/models';
import { Updater } from 'tuf-js';
import { storageError, systemCodeOf } from './file-errors.ts';
import { maxMetadataBytes, topLevelNames } from './metadata-schema.ts';
import { sourceUrl, type MetadataSource } from './metadata-source.ts';

/** The files that tuf-js keeps, by the name of their role. */
export type CachedFiles = ReadonlyMap<string, string>;

export interface TufRun {
  /** What tuf-js holds after the run: it writes a file when it has accepted it. */
  readonly files: CachedFiles;
  /** Why it stopped before the end. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Of the paths that were looked for, those that are signed. */
  readonly found: ReadonlyMap<string, TargetFile>;
}

export interface TufRunInit {
  /** Where the scratch copy is made. */
  readonly directory: string;
  readonly files: CachedFiles;
  /**
   * The target paths to look for, of which the delegated roles on the way are loaded; asked when the
   * top-level roles are up to date.
   */
  readonly paths: (accepted: CachedFiles) => readonly string[];
}

const scratchPrefix = 'refresh-';
const abandonedAfterMs = 3_600_000;

/**
 * Runs the client workflow of TUF 1.0, "5. Detailed client workflow", by tuf-js, which takes the
 * time from this machine's clock. tuf-js overwrites its files in place, where a crash would tear
 * them, and takes a bad one for none at all; so it works on a scratch copy, and what it has accepted
 * is returned.
 * @throws StorageError when the scratch copy can't be made.
 */
export async function runTuf(
  components: { source: MetadataSource },
  init: TufRunInit,
): Promise<TufRun> {
  const { directory } = init;
  let scratch: string | undefined;
  try {
    await mkdir(directory, { recursive: true });
    await removeAbandoned(directory);
    scratch = await mkdtemp(join(directory, scratchPrefix));
    for (const [role, text] of init.files) await writeFile(fileOf(scratch, role), text);
    const found = new Map<string, TargetFile>();
    const failure = await update(components.source, scratch, init, found);
    return { files: await readFiles(scratch, namesOf(components.source, init)), failure, found };
  } catch (cause) {
    throw storageError(directory, 'used for verifying metadata', cause);
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

async function update(
  source: MetadataSource,
  scratch: string,
  init: TufRunInit,
  found: Map<string, TargetFile>,
): Promise<TufRun['failure']> {
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
    const accepted = await readFiles(scratch, topLevelNames);
    for (const path of init.paths(accepted)) {
      const target = await updater.getTargetInfo(path);
      if (target !== undefined) found.set(path, target);
    }
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** The roles that there may be a file of. */
const namesOf = (source: MetadataSource, init: TufRunInit): Set<string> =>
  new Set([...topLevelNames, ...init.files.keys(), ...source.received.keys()]);

async function readFiles(scratch: string, names: ReadonlySet<string>): Promise<CachedFiles> {
  const files = new Map<string, string>();
  for (const name of names) {
    try {
      files.set(name, await readFile(fileOf(scratch, name), 'utf8'));
    } catch (cause) {
      if (systemCodeOf(cause) !== 'ENOENT') throw cause;
    }
  }
  return files;
}

/** As tuf-js names it. */
const fileOf = (scratch: string, name: string): string =>
  join(scratch, `${encodeURIComponent(name)}.json`);

/** What a process that was killed has left behind. */
async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(scratchPrefix)) continue;
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > abandonedAfterMs) await rm(path, { recursive: true, force: true });
  }
}
