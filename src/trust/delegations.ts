import type { DelegatedRoleEntry, MetaFileEntry } from './metadata-schema.ts';
import type { SignedDocument } from './signed-document.ts';

/** The files that say which delegated files there are. */
export interface DelegationChain {
  readonly targets: SignedDocument<'targets'>;
  readonly snapshot: SignedDocument<'snapshot'>;
}

/** The file of a delegated role, without its version. */
export const delegatedFileName = (app: string): string => `${app}.json`;

/** How targets delegates an app, if it does. */
export const delegationOf = (
  targets: SignedDocument<'targets'>,
  app: string,
): DelegatedRoleEntry | undefined =>
  targets.signed.delegations?.roles.find(({ name }) => name === app);

/**
 * What snapshot says of the file that the keys of an app have signed; undefined when they have signed
 * none since the app was handed to them: then what was handed over counts.
 */
export function delegatedFile(chain: DelegationChain, app: string): MetaFileEntry | undefined {
  const delegation = delegationOf(chain.targets, app);
  const named = namedIn(chain.snapshot, app);
  if (delegation === undefined || named === undefined) return undefined;
  return named.version > (delegation.handover?.version ?? 0) ? named : undefined;
}

/** The apps with a file that counts; only of these, when `apps` is given. */
export function delegatedFiles(chain: DelegationChain, apps?: readonly string[]): string[] {
  const wanted = apps ?? chain.targets.signed.delegations?.roles.map(({ name }) => name) ?? [];
  return wanted.filter((app) => delegatedFile(chain, app) !== undefined);
}

/** What snapshot says of a file, whether it counts or not. */
export function namedIn(
  snapshot: SignedDocument<'snapshot'>,
  name: string,
): MetaFileEntry | undefined {
  const { meta } = snapshot.signed;
  const file = delegatedFileName(name);
  return Object.hasOwn(meta, file) ? meta[file] : undefined;
}
