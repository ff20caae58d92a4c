import type { RevocationList } from '../../src/trust/sealed.ts';
import type { ReadStore } from '../store/index.ts';
import { parseEntry } from './entries.ts';
import { memberKey, memberSchema } from './records.ts';

/** While a list is shorter nobody looks whom it need not name any more. */
const longList = 2_000;
/** How long credentials are good may have been set to something else meanwhile. */
const spareMs = 7 * 86_400_000;

/**
 * Whom a list must still name: it is for those whose credential may be good, since their record keeps them from
 * a new one. Who never joined by a tracker may have one that was made by hand, for however long.
 * @param init `credentialMs`: how long credentials are good
 */
export async function stillNamed(
  components: { readonly store: ReadStore; readonly now: () => number },
  list: RevocationList | undefined,
  { credentialMs }: { readonly credentialMs: number },
): Promise<string[]> {
  const peerIds = [...(list?.peerIds ?? [])];
  if (peerIds.length < longList) return peerIds;
  const endedMs = components.now() - 2 * credentialMs - spareMs;
  const needed: string[] = [];
  for (const peerId of peerIds) {
    const entry = await components.store.get(memberKey(peerId));
    const member = entry && parseEntry(memberSchema, entry);
    const isOver =
      member?.state === 'revoked' && member.roles.length > 0 && Date.parse(member.since) < endedMs;
    if (!isOver) needed.push(peerId);
  }
  return needed;
}
