import type { HostEntry } from '../../src/policy/index.ts';
import type { AuditLog, AuditRecord } from '../audit/index.ts';
import { storeLimits, type Change, type Expectation, type Store } from '../store/index.ts';
import { listAll, parseEntry, put } from './entries.ts';
import {
  channelKey,
  channelRecordSchema,
  entryOf,
  parseRolloutKey,
  partSchema,
  rolloutPrefix,
  type ChannelRecord,
} from './rollout-records.ts';
import { assemble, changed, headOf, type StoredRollout } from './stored-rollout.ts';

/** The rollout of a channel, and those before it that are not over for all hosts. */
export interface ChannelRollouts {
  readonly app: string;
  readonly channel: string;
  /** Of its record, which every change writes; 0: there is none yet. */
  readonly revision: number;
  readonly rollout: StoredRollout;
  readonly earlier: readonly StoredRollout[];
}

export interface RolloutTableComponents {
  readonly store: Store;
  readonly audit: AuditLog;
}

export interface RolloutCommit {
  readonly before: ChannelRollouts | undefined;
  readonly after: Omit<ChannelRollouts, 'revision'>;
  /** None: nothing happened that anybody would want to know later. */
  readonly record?: AuditRecord | undefined;
  /** What has to hold beside that nobody else has changed the channel. */
  readonly fence?: Expectation | undefined;
}

type Part = Readonly<Record<string, HostEntry>>;

interface KnownChannel {
  revision: number;
  record: ChannelRecord;
  assembled: ChannelRollouts | undefined;
}

/** What one commit takes beside its audit entry. */
const commitOperations = storeLimits.operations - 20;
const commitBytes = storeLimits.transactionBytes * 0.8;

/** The rollouts that the store has, as far as this tracker knows; it follows what others change. */
export class RolloutTable {
  readonly #store: Store;
  readonly #audit: AuditLog;
  readonly #channels = new Map<string, KnownChannel>();
  /** By channel and number of the rollout. */
  readonly #parts = new Map<string, Map<number, Part>>();
  readonly #revisions = new Map<string, number>();

  constructor({ store, audit }: RolloutTableComponents) {
    this.#store = store;
    this.#audit = audit;
  }

  /**
   * Follows the store until the signal aborts.
   * @param onChange told after each batch; what is known is as of one moment then
   */
  async follow(onChange: () => void, { signal }: { signal: AbortSignal }): Promise<void> {
    for await (const batch of this.#store.watch(rolloutPrefix, { signal })) {
      if (batch.isWhole) this.#forget(new Set(batch.map(({ key }) => key)), batch.revision);
      this.#apply(batch);
      onChange();
    }
  }

  get all(): ChannelRollouts[] {
    return [...this.#channels.keys()].sort().flatMap((key) => this.#assemble(key) ?? []);
  }

  get(app: string, channel: string): ChannelRollouts | undefined {
    return this.#assemble(channelKey(app, channel));
  }

  /** The same, as the store has it now. @throws StoreError */
  async read(app: string, channel: string): Promise<ChannelRollouts | undefined> {
    const key = channelKey(app, channel);
    const head = await this.#store.get(key);
    if (head === undefined) return undefined;
    // What was changed between these two is found by the revision of the head, at the commit.
    this.#apply([head, ...(await listAll(this.#store, `${key}/`))]);
    return this.#assemble(key);
  }

  /** Whether nobody has changed the channel since what is known here. @throws StoreError */
  async isCurrent({ app, channel, revision }: ChannelRollouts): Promise<boolean> {
    const head = await this.#store.get(channelKey(app, channel));
    return head?.revision === revision;
  }

  /**
   * Stores a change. A large one takes several commits: the first has the head, so that no epoch is
   * given twice, and whoever acts on orders does that when this returns.
   * @throws StoreError STORE_CONFLICT when somebody else was first
   */
  async commit({ before, after, record, fence }: RolloutCommit): Promise<ChannelRollouts> {
    const key = channelKey(after.app, after.channel);
    const head = put(key, {
      app: after.app,
      channel: after.channel,
      rollout: headOf(after.rollout),
      earlier: after.earlier.map(headOf),
    } satisfies ChannelRecord);
    const removed = this.#partsBeyond(key, after);
    const parts = [after.rollout, ...after.earlier].flatMap((rollout) => {
      const same = [before?.rollout, ...(before?.earlier ?? [])].find(
        (one) => one?.head.number === rollout.head.number,
      );
      const known = same ?? { ...rollout, state: { ...rollout.state, hosts: {} } };
      return changed(known, rollout.state, key).parts;
    });
    let revision = before?.revision ?? 0;
    const groups = grouped(parts);
    for (const [at, group] of groups.entries()) {
      const transaction = {
        expect: [{ key, revision }, ...(fence === undefined ? [] : [fence])],
        put: [head, ...group],
        remove: at === groups.length - 1 ? removed.slice(0, commitOperations - group.length) : [],
      };
      revision =
        record !== undefined && at === 0
          ? await this.#audit.commit(transaction, record)
          : await this.#store.commit(transaction);
      this.#apply([
        ...transaction.put.map((one) => ({ ...one, revision })),
        ...transaction.remove.map((one) => ({ key: one, value: undefined, revision })),
      ]);
    }
    return this.#assemble(key) ?? { ...after, revision };
  }

  #assemble(key: string): ChannelRollouts | undefined {
    const known = this.#channels.get(key);
    if (known === undefined) return undefined;
    const { record, revision } = known;
    const whole = (head: ChannelRecord['rollout']) =>
      assemble(head, this.#parts.get(`${key}/${head.number}`) ?? new Map<number, Part>());
    known.assembled ??= {
      app: record.app,
      channel: record.channel,
      revision,
      rollout: whole(record.rollout),
      earlier: record.earlier.map(whole),
    };
    return known.assembled;
  }

  #apply(changes: readonly Change[]): void {
    for (const change of changes) {
      const { key, revision } = change;
      if (revision <= (this.#revisions.get(key) ?? 0)) continue;
      this.#revisions.set(key, revision);
      const about = parseRolloutKey(key);
      if (about?.part !== undefined) this.#applyPart(about.channel, about.part, change);
      else if (about !== undefined) this.#applyHead(change);
    }
  }

  #applyHead({ key, value, revision }: Change): void {
    if (value === undefined) this.#channels.delete(key);
    else {
      const record = parseEntry(channelRecordSchema, { key, value, revision });
      this.#channels.set(key, { revision, record, assembled: undefined });
    }
  }

  #applyPart(
    channel: string,
    { rollout, part }: { rollout: number; part: number },
    { key, value, revision }: Change,
  ): void {
    const name = `${channel}/${rollout}`;
    const parts = this.#parts.get(name) ?? new Map<number, Part>();
    this.#parts.set(name, parts);
    if (value === undefined) {
      parts.delete(part);
      this.#revisions.delete(key);
    } else {
      const rows = Object.entries(parseEntry(partSchema, { key, value, revision }));
      parts.set(part, Object.fromEntries(rows.map(([id, row]) => [id, entryOf(row)])));
    }
    if (parts.size === 0) this.#parts.delete(name);
    const known = this.#channels.get(channel);
    if (known) known.assembled = undefined;
  }

  /** What is not in the store any more, as far as what is known is not newer. */
  #forget(there: ReadonlySet<string>, revision: number): void {
    for (const [key, at] of this.#revisions) {
      if (there.has(key) || at > revision) continue;
      this.#revisions.set(key, revision - 1);
      this.#apply([{ key, value: undefined, revision }]);
    }
  }

  /** Parts of rollouts that are not in the record any more. */
  #partsBeyond(key: string, { rollout, earlier }: Omit<ChannelRollouts, 'revision'>): string[] {
    const kept = new Set([rollout, ...earlier].map(({ head }) => head.number));
    return [...this.#revisions.keys()].filter((one) => {
      const about = parseRolloutKey(one);
      return about?.channel === key && about.part !== undefined && !kept.has(about.part.rollout);
    });
  }
}

/** What goes into one commit each, one at least. */
function grouped<Put extends { readonly key: string; readonly value: string }>(
  parts: readonly Put[],
): Put[][] {
  const groups: Put[][] = [[]];
  let bytes = 0;
  for (const part of parts) {
    const group = groups.at(-1) ?? [];
    const size = part.key.length + part.value.length;
    if (group.length > 0 && (group.length === commitOperations || bytes + size > commitBytes)) {
      groups.push([part]);
      bytes = size;
    } else {
      group.push(part);
      bytes += size;
    }
  }
  return groups;
}
