import { storeLimits, type Expectation, type Transaction } from '../store/index.ts';
import type { AuditRecord } from './audit-entry.ts';

/** A change that waits to be committed with its entry. */
export interface AuditedChange {
  readonly transaction: Transaction;
  readonly record: AuditRecord;
  readonly resolve: (revision: number) => void;
  readonly reject: (error: unknown) => void;
  /** How often it was tried in vain, because another tracker wrote an entry first. */
  lostRaces: number;
}

/** Of a commit; what is left over is for entries and for single large changes. */
const groupOperations = storeLimits.operations / 2;
const groupBytes = storeLimits.transactionBytes / 4;

/**
 * Takes from the front of a queue what can be committed at once, as if one after the other: changes that
 * touch no key of each other. One at least.
 */
export function takeGroup(queue: AuditedChange[]): AuditedChange[] {
  const changed = new Set<string>();
  const expected = new Map<string, number>();
  let operations = 0;
  let bytes = 0;
  const fits = ({ transaction }: AuditedChange): boolean => {
    const { expect = [], put = [], remove = [] } = transaction;
    const keys = [...put.map(({ key }) => key), ...remove];
    operations += Math.max(keys.length + 1, expect.length);
    bytes += put.reduce((sum, { value }) => sum + value.length, 0);
    const isFree =
      keys.every((key) => !changed.has(key) && !expected.has(key)) &&
      expect.every(({ key, revision }) => {
        return !changed.has(key) && (expected.get(key) ?? revision) === revision;
      });
    for (const key of keys) changed.add(key);
    for (const { key, revision } of expect) expected.set(key, revision);
    return isFree && operations <= groupOperations && bytes <= groupBytes;
  };
  const end = queue.findIndex((change, index) => !fits(change) && index > 0);
  return queue.splice(0, end === -1 ? queue.length : end);
}

/** All that the changes of a group do and expect. */
export function joined(group: readonly AuditedChange[]): {
  readonly expect: Expectation[];
  readonly put: { readonly key: string; readonly value: string }[];
  readonly remove: string[];
} {
  const expect = new Map(
    group.flatMap(({ transaction }) =>
      (transaction.expect ?? []).map((expectation) => [expectation.key, expectation] as const),
    ),
  );
  return {
    expect: [...expect.values()],
    put: group.flatMap(({ transaction }) => transaction.put ?? []),
    remove: group.flatMap(({ transaction }) => transaction.remove ?? []),
  };
}
