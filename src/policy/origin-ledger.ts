import { budgetBytes, type OriginBudget } from './origin.ts';

export interface OriginLedgerInit {
  /** How many hosts may ask the origin at a time. */
  readonly askers: number;
  readonly budget: OriginBudget;
  /** After so long a lease that was not asked for again is over, and its slot is free. */
  readonly leaseMs: number;
}

/** What a host says when it would use the origin, or has used it. */
export interface OriginReport {
  /** The host, by a name that no other has. */
  readonly host: string;
  /** The size of the image; 0: not known yet. */
  readonly sizeBytes: number;
  /** What it has taken from the origin in all, what it has asked for included. */
  readonly takenBytes: number;
}

export interface OriginLease {
  readonly slot: number;
  /** All slots that are held, ascending. */
  readonly slots: readonly number[];
  /**
   * What the host may have taken in all, also before this lease. So an answer that is lost costs
   * nothing: the next one says the same.
   */
  readonly bytes: number;
  /** When the host has to stop unless it has heard anew. */
  readonly expiresMs: number;
}

export type OriginAnswer = OriginLease | { readonly waitMs: number };

interface Account {
  /** What it may take in all, and what it said it took. */
  limitBytes: number;
  takenBytes: number;
  slot: number | undefined;
  /** When its slot is free again. */
  freeAtMs: number;
}

/** A grant is no smaller, so that hosts need not come back for each piece. */
const leastGrantBytes = 1 << 20;
const maxAccounts = 256;
const waitMs = { least: 1_000, spent: 15_000 };

/**
 * The books of one image's origin: who may ask it, and for how much. What all hosts together may
 * take is never more than the budget, whoever dies, returns or is silent: a lease counts with all
 * that it grants, from when it is granted until its holder says that it is done with it.
 *
 * A host is granted little at a time, and again when it has used that up, so that one that dies
 * takes little with it.
 */
export class OriginLedger {
  readonly #init: OriginLedgerInit;
  readonly #accounts = new Map<string, Account>();
  /** What is counted of hosts whose accounts were closed. */
  #closedBytes = 0;
  #sizeBytes = 0;

  constructor(init: OriginLedgerInit) {
    this.#init = init;
  }

  get budgetBytes(): number {
    return budgetBytes(this.#init.budget, this.#sizeBytes);
  }

  /** What was granted and not given back. */
  get chargedBytes(): number {
    let sum = this.#closedBytes;
    for (const account of this.#accounts.values()) sum += chargeOf(account);
    return sum;
  }

  /** The slots that are held, ascending. */
  slots(nowMs: number): number[] {
    const slots: number[] = [];
    for (const account of this.#accounts.values()) {
      if (account.slot === undefined) continue;
      if (account.freeAtMs > nowMs) slots.push(account.slot);
      else account.slot = undefined;
    }
    return slots.sort((a, b) => a - b);
  }

  /** The host would use the origin. */
  ask(report: OriginReport, nowMs: number): OriginAnswer {
    const taken = this.slots(nowMs);
    const account = this.#note(report);
    // A claim is believed once: else the last who speaks would set the budget.
    if (this.#sizeBytes === 0) this.#sizeBytes = report.sizeBytes;
    if (account.slot === undefined && taken.length >= this.#init.askers) {
      this.#forgetIdle(report.host, account);
      return { waitMs: this.#nextFreeMs(nowMs) };
    }
    // While the size is not known the lease is good for the metadata alone.
    const limitBytes = this.#grant(account);
    if (this.#sizeBytes > 0 && limitBytes <= account.takenBytes) {
      account.slot = undefined;
      this.#forgetIdle(report.host, account);
      return { waitMs: waitMs.spent };
    }
    account.limitBytes = limitBytes;
    account.slot ??= this.#freeSlot(taken);
    account.freeAtMs = nowMs + this.#init.leaseMs;
    // Half of it: an answer takes time, and what is under way when it ends must end too.
    const expiresMs = nowMs + this.#init.leaseMs / 2;
    const slots = this.slots(nowMs);
    return { slot: account.slot, slots, bytes: account.limitBytes, expiresMs };
  }

  /** The host does not use the origin any more, nor will it by the lease that it had. */
  giveBack(report: OriginReport): void {
    const known = this.#accounts.has(report.host);
    if (!known && report.takenBytes === 0) return;
    const account = this.#note(report);
    account.slot = undefined;
    account.limitBytes = account.takenBytes;
    this.#forgetIdle(report.host, account);
  }

  #note(report: OriginReport): Account {
    let account = this.#accounts.get(report.host);
    if (account === undefined) {
      this.#closeOldest();
      account = { limitBytes: 0, takenBytes: 0, slot: undefined, freeAtMs: 0 };
      this.#accounts.set(report.host, account);
    }
    account.takenBytes = Math.max(account.takenBytes, report.takenBytes);
    return account;
  }

  /** What the host's limit becomes. */
  #grant(account: Account): number {
    const { askers } = this.#init;
    const grantBytes = Math.max(leastGrantBytes, Math.ceil(this.#sizeBytes / (4 * askers)));
    const others = this.chargedBytes - chargeOf(account);
    const roomBytes = this.#sizeBytes === 0 ? 0 : this.budgetBytes - others;
    const wanted = account.takenBytes + grantBytes;
    return Math.max(account.limitBytes, Math.min(wanted, roomBytes));
  }

  #freeSlot(taken: readonly number[]): number {
    let slot = 0;
    while (taken.includes(slot)) slot += 1;
    return slot;
  }

  #nextFreeMs(nowMs: number): number {
    let nextMs: number = waitMs.spent;
    for (const { slot, freeAtMs } of this.#accounts.values()) {
      if (slot !== undefined) nextMs = Math.min(nextMs, freeAtMs - nowMs);
    }
    return Math.max(waitMs.least, nextMs);
  }

  /** Who was granted nothing needs no account: most hosts of a fleet only wait. */
  #forgetIdle(host: string, account: Account): void {
    if (chargeOf(account) === 0) this.#accounts.delete(host);
  }

  /** Bounded: what the oldest account without a slot counts is counted for good. */
  #closeOldest(): void {
    if (this.#accounts.size < maxAccounts) return;
    for (const [host, account] of this.#accounts) {
      if (account.slot !== undefined) continue;
      this.#closedBytes += chargeOf(account);
      this.#accounts.delete(host);
      return;
    }
  }
}

const chargeOf = ({ limitBytes, takenBytes }: Account): number => Math.max(limitBytes, takenBytes);
