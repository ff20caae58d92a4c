/** `root`, `snapshot`, `targets`, or an app that targets delegates. */
export type VersionedRole = string;

/** Every name that a TUF repository with consistent snapshots has; there are no others. */
export type TufFileName =
  | { readonly kind: 'root' }
  | { readonly kind: 'timestamp' }
  | { readonly kind: 'versioned'; readonly role: VersionedRole; readonly version: number };

const versionedName = /^([1-9][0-9]{0,14})\.([a-z0-9][a-z0-9._-]{0,99})\.json$/;

/** Reads the name of a file; undefined when it is not one of the repository. */
export function parseTufFileName(name: string): TufFileName | undefined {
  if (name === 'root.json') return { kind: 'root' };
  if (name === 'timestamp.json') return { kind: 'timestamp' };
  const match = versionedName.exec(name);
  if (match?.[2] === undefined || match[2] === 'timestamp') return undefined;
  return { kind: 'versioned', role: match[2], version: Number(match[1]) };
}

export const tufFileName = (role: VersionedRole, version: number): string =>
  `${version}.${role}.json`;
