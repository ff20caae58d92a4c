import { ConfigError, RepositoryError } from '../errors.ts';
import type { MetadataForm } from './metadata-schema.ts';
import { rolledBack } from './refusals.ts';
import { checkSignatures } from './signature-check.ts';
import { readDocument, type SignedDocument } from './signed-document.ts';

export type RootDocument = SignedDocument<'root'>;

/**
 * Reads a root that the operator gave, and which is therefore believed. It may have expired: a newer
 * one may follow in the repository.
 * @throws ConfigError CONFIG_INVALID when it is not a root, or is not signed by its own keys.
 */
export function readTrustedRoot(text: string, form?: MetadataForm): RootDocument {
  try {
    const root = readDocument('root', text, form === undefined ? {} : { form });
    checkSignatures(root, root);
    return root;
  } catch (cause) {
    if (!(cause instanceof RepositoryError)) throw cause;
    throw new ConfigError(
      'CONFIG_INVALID',
      `The root.json that was given can't be used: ${cause.message}`,
      { cause, evidence: cause.evidence },
    );
  }
}

/**
 * Checks that a root follows another: TUF 1.0, "5.3. Update the root role".
 * @throws RepositoryError REPOSITORY_SIGNATURE unless both the old keys and its own signed it,
 * REPOSITORY_ROLLBACK unless its version is the next one.
 */
export function checkNextRoot(root: RootDocument, next: RootDocument): void {
  checkSignatures(root, next);
  const expected = root.signed.version + 1;
  const actual = next.signed.version;
  if (actual !== expected) {
    const what = `root.json version ${actual} was served in the place of version ${expected}`;
    throw rolledBack('root', { what, expected, actual });
  }
  checkSignatures(next, next);
}

/**
 * Follows a chain of roots from one that is believed, each signed by the one before.
 * @returns the last one.
 * @throws RepositoryError when a link does not hold.
 */
export function followRootChain(trusted: RootDocument, later: readonly string[]): RootDocument {
  let root = trusted;
  for (const text of later) {
    const next = readDocument('root', text, { form: root.form });
    checkNextRoot(root, next);
    root = next;
  }
  return root;
}

/**
 * Checks a root that the operator gave.
 * @throws ConfigError CONFIG_INVALID when it is not a root, or is not signed by its own keys.
 */
export function checkRoot(text: string): void {
  readTrustedRoot(text);
}

/**
 * Checks that a root follows one that is believed.
 * @throws RepositoryError when it does not.
 */
export function checkRootFollows(trusted: string, next: string): void {
  followRootChain(readTrustedRoot(trusted), [next]);
}

/** The version of a root. @throws RepositoryError REPOSITORY_MALFORMED when it is none. */
export const rootVersion = (text: string): number => readDocument('root', text).signed.version;
