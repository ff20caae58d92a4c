import { StoreError } from '../../src/errors.ts';
import { conflict, type Store, type Transaction } from '../store/index.ts';
import {
  auditHeadKey,
  auditKey,
  auditRecordSchema,
  nextEntry,
  parseHead,
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
} from './audit-entry.ts';
import { joined, takeGroup, type AuditedChange } from './audit-group.ts';
import { RefusalBudget, type RefusalBudgetInit } from './refusal-budget.ts';

export interface AuditLogInit extends RefusalBudgetInit {
  /** Refusals that were not written one by one are counted, and their number written this often. */
  readonly summaryIntervalMs: number;
}

export const defaultAuditLogInit: AuditLogInit = {
  burst: 30,
  refillMs: 30_000,
  summaryIntervalMs: 60_000,
};

export interface AuditLogComponents {
  readonly store: Store;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** With so many trackers that each is faster, something else is wrong. */
const mostLostRaces = 100;

/** What the log is thought to end with; it is taken back when a commit finds otherwise. */
interface KnownHead {
  readonly head: AuditHead | undefined;
  readonly revision: number;
}

/**
 * Who did what, when. A change and its entry are one commit, so that neither is there without the other.
 * Each entry holds the hash of the one before (`verifyAudit`). Changes that wait are committed together.
 */
export class AuditLog implements AsyncDisposable {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #init: AuditLogInit;
  readonly #budget: RefusalBudget;
  readonly #queue: AuditedChange[] = [];
  #running: Promise<void> | undefined;
  #known: KnownHead | undefined;
  #untold = 0;
  #untoldSinceMs = 0;
  #summary: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor({ store, now }: AuditLogComponents, init: AuditLogInit = defaultAuditLogInit) {
    this.#store = store;
    this.#now = now;
    this.#init = init;
    this.#budget = new RefusalBudget(init, now());
  }

  /**
   * Commits a change together with its entry.
   * @returns the revision of the change, when it is durable
   * @throws StoreError as `Store.commit` does; ZodError for a record that is too long
   */
  async commit(transaction: Transaction, record: AuditRecord): Promise<number> {
    const checked = auditRecordSchema.parse(record);
    return await new Promise<number>((resolve, reject) => {
      this.#queue.push({ transaction, record: checked, resolve, reject, lostRaces: 0 });
      this.#running ??= this.#run();
    });
  }

  /**
   * Notes that somebody was refused. Of a flood of refusals only the first ones are written, and then
   * their number. What can't be written now is counted as well, and written later. Never throws: who is
   * refused is refused in any case.
   */
  async refuse(record: Omit<AuditRecord, 'outcome'>): Promise<void> {
    if (this.#budget.take(this.#now())) {
      const written = this.commit({}, clipped({ ...record, outcome: 'refused' }));
      if (await succeeds(written)) return;
    }
    this.#countUntold(1, this.#now());
  }

  /** Writes what is still waiting, and the number of refusals that were not written. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#summary);
    await this.#running;
    await this.#summarise();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = takeGroup(this.#queue);
      try {
        const revision = await this.#commitGroup(group);
        for (const { resolve } of group) resolve(revision);
      } catch (error) {
        this.#known = undefined;
        this.#settle(group, error);
      }
    }
    this.#running = undefined;
  }

  async #commitGroup(group: readonly AuditedChange[]): Promise<number> {
    const { head, revision } = (this.#known ??= await this.#readHead());
    const entries: AuditEntry[] = [];
    let newHead = head;
    for (const { record } of group) {
      const entry = nextEntry(newHead, record, new Date(this.#now()));
      entries.push(entry);
      newHead = { sequence: entry.sequence, hash: entry.hash };
    }
    const { expect, put, remove } = joined(group);
    const made = await this.#store.commit({
      expect: [...expect, { key: auditHeadKey, revision }],
      put: [
        ...put,
        ...entries.map((entry) => ({
          key: auditKey(entry.sequence),
          value: JSON.stringify(entry),
        })),
        { key: auditHeadKey, value: JSON.stringify(newHead) },
      ],
      remove,
    });
    this.#known = { head: newHead, revision: made };
    return made;
  }

  async #readHead(): Promise<KnownHead> {
    const entry = await this.#store.get(auditHeadKey);
    if (entry === undefined) return { head: undefined, revision: 0 };
    const head = parseHead(entry.value);
    if (head !== undefined) return { head, revision: entry.revision };
    throw new StoreError(
      'STORE_TAMPERED',
      `${auditHeadKey} in the store is not what the audit log wrote; no change is taken until it is restored from a backup`,
    );
  }

  /** Of a group that failed, tells those that are to blame; the others are tried again. */
  #settle(group: readonly AuditedChange[], error: unknown): void {
    const isConflict = error instanceof StoreError && error.code === 'STORE_CONFLICT';
    const keys = new Set(isConflict ? (error.evidence.keys as readonly string[]) : []);
    const again: AuditedChange[] = [];
    for (const change of group) {
      const { expect = [] } = change.transaction;
      const own = expect.map(({ key }) => key).filter((key) => keys.has(key));
      if (own.length > 0) change.reject(conflict(own));
      else if (!isConflict || ++change.lostRaces > mostLostRaces) change.reject(error);
      else again.push(change);
    }
    this.#queue.unshift(...again);
  }

  #countUntold(count: number, sinceMs: number): void {
    if (this.#untold === 0) this.#untoldSinceMs = sinceMs;
    this.#untold += count;
    if (this.#isClosed || this.#summary !== undefined) return;
    this.#summary = setTimeout(() => {
      this.#summary = undefined;
      void this.#summarise();
    }, this.#init.summaryIntervalMs).unref();
  }

  async #summarise(): Promise<void> {
    const count = this.#untold;
    const sinceMs = this.#untoldSinceMs;
    if (count === 0) return;
    this.#untold = 0;
    const written = this.commit(
      {},
      {
        actor: 'tracker',
        action: 'refusals',
        subject: 'not written one by one',
        outcome: 'refused',
        detail: { count, since: new Date(sinceMs).toISOString() },
      },
    );
    if (!(await succeeds(written))) this.#countUntold(count, sinceMs);
  }
}

const succeeds = (written: Promise<unknown>): Promise<boolean> =>
  written.then(
    () => true,
    () => false,
  );

const mostDetails = 8;
const mostDetailCharacters = 128;

/** What a stranger sent is cut to what an entry may hold, and to little. */
function clipped({ actor, action, subject, outcome, detail = {} }: AuditRecord): AuditRecord {
  const details = Object.entries(detail)
    .slice(0, mostDetails)
    .map(([name, value]) => [
      clip(name, 64),
      typeof value === 'number' || typeof value === 'boolean'
        ? value
        : clip(String(value), mostDetailCharacters),
    ]);
  return {
    actor: clip(actor, 128) || 'unknown',
    action: clip(action, 64) || 'unknown',
    subject: clip(subject, 256),
    outcome,
    detail: Object.fromEntries(details) as NonNullable<AuditRecord['detail']>,
  };
}

const clip = (text: string, length: number): string => text.slice(0, length).toWellFormed();
