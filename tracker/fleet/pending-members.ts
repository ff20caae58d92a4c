import type { Entry, Expectation, Store } from '../store/index.ts';
import { expectation, parseEntry } from './entries.ts';
import { memberSchema, pendingKey, pendingPrefix, type Member } from './records.ts';

export interface PendingMembersInit {
  /** How many may wait at a time; those who ask at the same moment may be a few more. */
  readonly most: number;
  /** For how long one waits, in milliseconds; who still asks then, begins anew. */
  readonly keptMs: number;
}

/** What the store holds of who waits, if it does. */
export interface PendingMember {
  readonly entry: Entry | undefined;
  readonly member: Member | undefined;
}

/** Of those whose time is over, so many go with one commit. */
const goneTogether = 40;

/**
 * Who has asked to belong, and waits for an operator. They have keys of their own, so that strangers, who
 * cost nothing to make, cost the tracker little: members are not read to count them.
 */
export class PendingMembers {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #init: PendingMembersInit;

  constructor(
    { store, now }: { readonly store: Store; readonly now: () => number },
    init: PendingMembersInit,
  ) {
    this.#store = store;
    this.#now = now;
    this.#init = init;
  }

  /** One whose time is over waits no more, though its entry may still be there. */
  async of(peerId: string): Promise<PendingMember> {
    const entry = await this.#store.get(pendingKey(peerId));
    const member = entry && parseEntry(memberSchema, entry);
    return { entry, member: member !== undefined && this.waits(member) ? member : undefined };
  }

  /** In the order of their peer ids, and those too whose time is over (`waits`). */
  async list({ after, limit }: { after?: string | undefined; limit: number }): Promise<Member[]> {
    const { entries } = await this.#store.list(pendingPrefix, {
      after: after === undefined ? undefined : pendingKey(after),
      limit,
    });
    return entries.map((entry) => parseEntry(memberSchema, entry));
  }

  /**
   * Whether one more may wait.
   * @returns the keys of some whose time is over; undefined when too many wait already
   */
  async room(): Promise<string[] | undefined> {
    const { most } = this.#init;
    const { entries } = await this.#store.list(pendingPrefix, { limit: most + goneTogether });
    const over = entries.filter((entry) => !this.waits(parseEntry(memberSchema, entry)));
    if (entries.length - over.length >= most) return undefined;
    return over.slice(0, goneTogether).map(({ key }) => key);
  }

  /** Whether its time is not over yet. */
  waits({ since }: Member): boolean {
    return this.#now() < Date.parse(since) + this.#init.keptMs;
  }
}

/** What a commit that decides on somebody does with how he waited: nothing, when he did not. */
export const noLongerPending = (
  peerId: string,
  { entry }: PendingMember,
): { expect: Expectation[]; remove: string[] } => ({
  expect: [expectation(pendingKey(peerId), entry)],
  remove: entry === undefined ? [] : [entry.key],
});
