import { ConfigError } from '../../src/errors.ts';
import type { AuditLog } from '../audit/index.ts';
import type { Store } from '../store/index.ts';
import { parseEntry, tryAgain } from './entries.ts';
import { pinsKey } from './host-pins.ts';
import { hostKey } from './host-records.ts';
import { memberKey, memberSchema, pendingKey } from './records.ts';

/**
 * Forgets a member whose host is gone, or who waits and is not wanted, with its pins and what it reported. It is on no list: who has its
 * identity still has what is left of the life of its credential, and gets no other.
 * @throws ConfigError CONFIG_INVALID when there is no such member, or it was revoked
 */
export async function removeMember(
  { store, audit }: { readonly store: Store; readonly audit: AuditLog },
  peerId: string,
  actor: string,
): Promise<void> {
  await tryAgain(async () => {
    const entry = (await store.get(memberKey(peerId))) ?? (await store.get(pendingKey(peerId)));
    if (entry === undefined) {
      throw new ConfigError('CONFIG_INVALID', `${peerId} does not belong to this fleet`);
    }
    if (parseEntry(memberSchema, entry).state === 'revoked') {
      const why = `${peerId} is revoked, and that stays known: it takes up no place in rollouts`;
      throw new ConfigError('CONFIG_INVALID', why);
    }
    await audit.commit(
      { expect: [entry], remove: [entry.key, hostKey(peerId), pinsKey(peerId)] },
      { actor, action: 'member.remove', subject: peerId, outcome: 'done' },
    );
  });
}
