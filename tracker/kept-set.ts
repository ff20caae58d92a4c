import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RepositoryError, StorageError } from '../src/errors.ts';
import { readPublishedSet, summarizeSet } from '../src/trust/index.ts';
import type { MetadataSet, MetadataSummary } from '../src/trust/index.ts';
import { storageError, systemCode } from './durable-file.ts';

/**
 * Reads the kept set, and verifies all of it but the dates: what has expired since is still the
 * newest that there is, and clients judge its age themselves. A set that was signed under an older
 * root is the newest too, until the keys of the new one have signed.
 * @param roots the chain of roots, the newest last
 * @returns undefined when nothing was published yet
 * @throws StorageError STORAGE_CORRUPT when it is not one whole set
 */
export async function loadSet(
  directory: string,
  roots: readonly string[],
): Promise<{ set: MetadataSet; summary: MetadataSummary } | undefined> {
  let failure: unknown;
  for (const root of roots.toReversed()) {
    try {
      const set = await readPublishedSet({ fetchMetadata: readIn(directory) }, { root });
      return set === undefined ? undefined : { set, summary: summarizeSet(set) };
    } catch (error) {
      failure ??= error;
      const isOtherKeys = error instanceof RepositoryError && error.code === 'REPOSITORY_SIGNATURE';
      if (!isOtherKeys) break;
    }
  }
  if (failure instanceof StorageError) throw failure;
  const why = failure instanceof Error ? failure.message : String(failure);
  throw new StorageError(
    'STORAGE_CORRUPT',
    `the releases in ${directory} are not one whole set (${why}): restore the directory from a copy, or remove timestamp.json from it and push the newest release again`,
    { cause: failure, evidence: { directory } },
  );
}

const readIn =
  (directory: string) =>
  async (name: string): Promise<Buffer | undefined> => {
    try {
      return await readFile(join(directory, name));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw storageError(error, `the releases in ${directory} can't be read`);
    }
  };
