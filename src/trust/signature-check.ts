import { wronglySigned, type RoleName } from './refusals.ts';
import type { SignedDocument } from './signed-document.ts';

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
  const good = countSignatures(root, document);
  if (good >= threshold) return;
  throw wronglySigned(document.role, {
    good,
    threshold,
    keys: keyids.length,
    rootVersion: root.signed.version,
  });
}

/** The same as a question. */
export function isSigned(root: SignedDocument<'root'>, document: SignedDocument<RoleName>) {
  return countSignatures(root, document) >= root.signed.roles[document.role].threshold;
}

/** How many different keys have signed: a key that is listed twice under two ids counts once. */
function countSignatures(root: SignedDocument<'root'>, document: SignedDocument<RoleName>): number {
  const signers = new Set<string>();
  for (const id of root.signed.roles[document.role].keyids) {
    const key = root.metadata.signed.keys[id];
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
