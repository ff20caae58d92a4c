import type { Key } from '@tufjs/models';
import type { Role } from '@tufjs/models/dist/role.js';
import { wronglySigned, type DocumentKind, type RoleName } from './refusals.ts';
import type { SignedDocument } from './signed-document.ts';

/** A file that may delegate to others. */
export type Delegator = SignedDocument<'targets'> | SignedDocument<'delegated'>;

/**
 * Checks that enough of the keys that root names for this role have signed the document.
 * TUF 1.0, "5.3.4", "5.4.2", "5.5.3" and "5.6.3": arbitrary software attack.
 * @throws RepositoryError REPOSITORY_SIGNATURE
 */
export function checkSignatures(
  root: SignedDocument<'root'>,
  document: SignedDocument<RoleName>,
): void {
  const { keyids, threshold } = root.signed.roles[document.role];
  const good = countSignatures(root.metadata.signed.keys, keyids, document);
  if (good >= threshold) return;
  throw wronglySigned(document.name, {
    good,
    threshold,
    keys: keyids.length,
    rootVersion: root.signed.version,
  });
}

/** The same as a question. */
export function isSigned(root: SignedDocument<'root'>, document: SignedDocument<RoleName>) {
  const { keyids, threshold } = root.signed.roles[document.role];
  return countSignatures(root.metadata.signed.keys, keyids, document) >= threshold;
}

/**
 * Checks that enough of the keys that `delegator` names for this role have signed the document: TUF
 * 1.0, "5.6.3".
 * @throws RepositoryError REPOSITORY_SIGNATURE
 */
export function checkDelegatedSignatures(
  delegator: Delegator,
  document: SignedDocument<'delegated'>,
): void {
  const role = delegatedRoleOf(delegator, document.name);
  const { keyIDs, threshold } = role ?? { keyIDs: [], threshold: 1 };
  const good = countDelegated(delegator, document);
  if (role !== undefined && good >= threshold) return;
  const by = `${delegator.name} version ${delegator.signed.version}`;
  throw wronglySigned(document.name, { good, threshold, keys: keyIDs.length, by });
}

/** The same as a question. */
export function isSignedByDelegation(
  delegator: Delegator,
  document: SignedDocument<'delegated'>,
): boolean {
  const role = delegatedRoleOf(delegator, document.name);
  return role !== undefined && countDelegated(delegator, document) >= role.threshold;
}

/** The keys that may sign for a role, as `delegator` has it. */
export function delegatedRoleOf(delegator: Delegator, name: string): Role | undefined {
  const { delegations } = delegator.metadata.signed;
  const { roles, succinctRoles } = delegations ?? {};
  if (roles !== undefined) return Object.hasOwn(roles, name) ? roles[name] : undefined;
  return succinctRoles?.isDelegatedRole(name) === true ? succinctRoles : undefined;
}

function countDelegated(delegator: Delegator, document: SignedDocument<'delegated'>): number {
  const keyIds = delegatedRoleOf(delegator, document.name)?.keyIDs ?? [];
  return countSignatures(delegator.metadata.signed.delegations?.keys ?? {}, keyIds, document);
}

/** How many different keys have signed: a key that is listed twice under two ids counts once. */
function countSignatures(
  keys: Readonly<Record<string, Key>>,
  keyIds: readonly string[],
  document: SignedDocument<DocumentKind>,
): number {
  const signers = new Set<string>();
  for (const id of keyIds) {
    const key = keys[id];
    if (key === undefined) continue;
    try {
      key.verifySignature(document.metadata);
      signers.add(key.keyVal.public ?? id);
    } catch {
      // A signature that is missing, bad or of an unknown kind is one that does not count.
    }
  }
  return signers.size;
}
