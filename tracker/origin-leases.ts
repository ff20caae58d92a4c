import {
  OriginLedger,
  type OriginAnswer,
  type OriginBudget,
  type OriginReport,
} from '../src/policy/index.ts';

export interface OriginLeasesInit {
  readonly originAskers: number;
  readonly originBudget: OriginBudget;
  readonly originLeaseMs: number;
  readonly maxSwarms: number;
}

/** What an announce says of the origin: our own extension, see docs/web-seeds.md. */
export interface OriginClaim {
  /** Whether the host would use it; else it gives back what it was granted. */
  readonly wanted: boolean;
  readonly sizeBytes: number;
  readonly takenBytes: number;
}

interface Books {
  readonly ledger: OriginLedger;
  lastMs: number;
}

/** Books that nobody has asked for so long are closed; who comes later finds a new budget. */
const forgottenAfterMs = 24 * 3_600_000;
const fullWaitMs = 60_000;

/**
 * Which hosts may ask the origin of each image, and for how much. Soft state, as who is in which
 * swarm: after a restart the books are filled again with what hosts say they have taken.
 */
export class OriginLeases {
  readonly #init: OriginLeasesInit;
  readonly #books = new Map<string, Books>();

  constructor(init: OriginLeasesInit) {
    this.#init = init;
  }

  /** @param host a name of the announcing host that no other has */
  answer(
    announce: { infoHash: string; host: string; origin: OriginClaim },
    nowMs: number,
  ): OriginAnswer | undefined {
    const { infoHash, host, origin } = announce;
    const report: OriginReport = { host, ...origin };
    if (!origin.wanted) {
      // What a host took counts also where nobody has asked since the tracker started.
      const books = origin.takenBytes > 0 ? this.#open(infoHash, nowMs) : this.#books.get(infoHash);
      books?.ledger.giveBack(report);
      return undefined;
    }
    return this.#open(infoHash, nowMs)?.ledger.ask(report, nowMs) ?? { waitMs: fullWaitMs };
  }

  /** Of all images: the hosts that hold a lease, and the bytes that were granted. */
  totals(nowMs: number): { askers: number; grantedBytes: number } {
    let askers = 0;
    let grantedBytes = 0;
    for (const { ledger } of this.#books.values()) {
      askers += ledger.slots(nowMs).length;
      grantedBytes += ledger.chargedBytes;
    }
    return { askers, grantedBytes };
  }

  /** Undefined when there is no room: evicting others would give them a new budget. */
  #open(infoHash: string, nowMs: number): Books | undefined {
    const { originAskers: askers, originBudget: budget, originLeaseMs: leaseMs } = this.#init;
    let books = this.#books.get(infoHash);
    if (books === undefined) {
      this.#forget(nowMs);
      if (this.#books.size >= this.#init.maxSwarms) return undefined;
      books = { ledger: new OriginLedger({ askers, budget, leaseMs }), lastMs: nowMs };
    }
    books.lastMs = nowMs;
    // In the order of use, so that what is forgotten stands first.
    this.#books.delete(infoHash);
    this.#books.set(infoHash, books);
    return books;
  }

  #forget(nowMs: number): void {
    for (const [infoHash, { lastMs }] of this.#books) {
      if (nowMs - lastMs <= forgottenAfterMs) return;
      this.#books.delete(infoHash);
    }
  }
}
