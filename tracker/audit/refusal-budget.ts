export interface RefusalBudgetInit {
  /** So many refusals are written one by one. */
  readonly burst: number;
  /** After so long there is room for one more. */
  readonly refillMs: number;
}

/** How many refusals may be written, so that who is refused again and again can't fill the disk. */
export class RefusalBudget {
  readonly #init: RefusalBudgetInit;
  #left: number;
  #filledMs: number;

  constructor(init: RefusalBudgetInit, nowMs: number) {
    this.#init = init;
    this.#left = init.burst;
    this.#filledMs = nowMs;
  }

  /** Whether one more may be written at this time, which is then used up. */
  take(nowMs: number): boolean {
    const { burst, refillMs } = this.#init;
    const due = Math.max(Math.floor((nowMs - this.#filledMs) / refillMs), 0);
    this.#left = Math.min(this.#left + due, burst);
    // A clock that was set back begins anew.
    this.#filledMs = nowMs < this.#filledMs ? nowMs : this.#filledMs + due * refillMs;
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}
