import * as z from 'zod';
import { RepositoryError } from '../src/errors.ts';

export type VersionedRole = 'root' | 'snapshot' | 'targets';

/** Every name that a TUF repository with consistent snapshots has; there are no others. */
export type TufFileName =
  | { readonly kind: 'root' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'versioned'; readonly role: VersionedRole; readonly version: number };

const versionedName = /^([1-9][0-9]{0,14})\.(root|snapshot|targets)\.json$/;

/** Reads the name of a file; undefined when it is not one of the repository. */
export function parseTufFileName(name: string): TufFileName | undefined {
  if (name === 'root.json') return { kind: 'root' };
  if (name === 'timestamp.json') return { kind: 'timestamp' };
  const match = versionedName.exec(name);
  if (match === null) return undefined;
  return { kind: 'versioned', role: match[2] as VersionedRole, version: Number(match[1]) };
}

export const tufFileName = (role: VersionedRole, version: number): string =>
  `${version}.${role}.json`;

const rootSchema = z.object({
  signed: z.object({ _type: z.literal('root'), version: z.int().min(1) }),
});

/**
 * The version of a root. Its signatures are not looked at: that is for src/trust.
 * @throws RepositoryError REPOSITORY_MALFORMED when it is not a root.
 */
export function rootVersionOf(text: string): number {
  try {
    return rootSchema.parse(JSON.parse(text)).signed.version;
  } catch (cause) {
    throw malformed('root.json', cause);
  }
}

const malformed = (name: string, cause?: unknown) =>
  new RepositoryError('REPOSITORY_MALFORMED', `${name} is not there, or is not TUF metadata`, {
    cause,
    evidence: { name },
  });

const namingSchema = z.object({
  signed: z.object({ meta: z.record(z.string(), z.object({ version: z.int().min(1) })) }),
});

/**
 * The version of the file that a timestamp or snapshot names.
 * @throws RepositoryError REPOSITORY_MALFORMED when it names none
 */
export function namedVersion(text: string, name: 'snapshot.json' | 'targets.json'): number {
  const result = namingSchema.safeParse(JSON.parse(text));
  const version = result.data?.signed.meta[name]?.version;
  if (version === undefined) throw malformed(name, result.error);
  return version;
}
