import { budgetBytes, type OriginBudget } from '../policy/index.ts';
import type { AnnounceResponse, OriginClaim, OriginReply } from './announce.ts';

/** Who asks to use the origin (a web seed), by the trackers of ours alone. */
export interface OriginTalk {
  /** What to say of the origin. */
  claim(): OriginClaim;
  /** @param sentMs when the announce was sent that is answered */
  onAnswer(response: AnnounceResponse, sentMs: number): void;
  /** How soon the next announce should be. */
  nextMs(): number;
}

export interface OriginPermitInit {
  /** Whether there is a tracker to ask. */
  readonly hasTracker: boolean;
  /** What this host may take where no tracker decides; undefined: see `#localBudget`. */
  readonly budget: OriginBudget | undefined;
  /** What was taken so far. */
  readonly takenBytes: () => number;
  /** Something has changed that should be announced now. */
  readonly onHurry: () => void;
}

/** What this host may take from the origin of an image at the moment. */
export interface OriginPass {
  readonly slot: number;
  readonly slots: readonly number[];
  /** In all, also what was taken before. */
  readonly limitBytes: number;
}

interface Lease extends OriginPass {
  readonly expiresAtMs: number;
  readonly hurryFromBytes: number;
}

const soonMs = 1_000;
/** A tracker that does not answer is not asked more and more. */
const hurryMs = { first: 400, most: 15_000 };

/**
 * Whether this host may ask the origin. Where a tracker of ours answers, it alone decides, by leases
 * that run out: when it is silent no host turns to the origin by itself, so that a fleet never does
 * so as one. Only a host without a tracker, or with a foreign one, goes by a budget of its own.
 */
export class OriginPermit implements OriginTalk {
  /** Whether this host would use the origin. */
  wanted = false;
  /** The size of the image; 0: not known yet. */
  sizeBytes = 0;
  readonly #now: () => number;
  readonly #init: OriginPermitInit;
  #lease: Lease | undefined;
  #askAgainMs = 0;
  #hurryNotBeforeMs = 0;
  #hurries = 0;
  #isForeign = false;
  #asked = false;

  constructor(components: { now: () => number }, init: OriginPermitInit) {
    this.#now = components.now;
    this.#init = init;
  }

  /** Undefined: the origin must not be asked. */
  get pass(): OriginPass | undefined {
    if (this.#lease !== undefined) {
      if (this.#lease.expiresAtMs > this.#now()) return this.#lease;
      this.#lease = undefined;
    }
    const budget = this.#localBudget;
    if (budget === undefined) return undefined;
    const limitBytes = this.sizeBytes === 0 ? 0 : budgetBytes(budget, this.sizeBytes);
    return limitBytes === 0 && this.sizeBytes > 0 ? undefined : { slot: 0, slots: [0], limitBytes };
  }

  /** Without any tracker the origin is all there is, and one host is no fleet. */
  get #localBudget(): OriginBudget | undefined {
    if (!this.#init.hasTracker) return this.#init.budget ?? { copies: Infinity };
    return this.#isForeign ? this.#init.budget : undefined;
  }

  claim(): OriginClaim {
    // Who says that it does not use it must not.
    if (!this.wanted) this.#lease = undefined;
    this.#asked = this.wanted;
    return {
      wanted: this.wanted,
      sizeBytes: this.sizeBytes,
      takenBytes: Math.ceil(this.#init.takenBytes()),
    };
  }

  onAnswer({ origin }: AnnounceResponse, sentMs: number): void {
    this.#hurries = 0;
    if (!this.#asked) return;
    this.#isForeign = origin === undefined;
    if (origin === undefined) return;
    if ('waitMs' in origin) this.#onWait(origin.waitMs);
    else this.#onLease(origin, sentMs);
  }

  #onWait(waitMs: number): void {
    this.#lease = undefined;
    this.#askAgainMs = this.#now() + waitMs;
  }

  /** Counted from when it was asked for: the tracker counts from later, so it never ends sooner. */
  #onLease(origin: Extract<OriginReply, { slot: number }>, sentMs: number): void {
    const { slot, slots, bytes: limitBytes, expiresInMs } = origin;
    const leftBytes = Math.max(0, limitBytes - this.#init.takenBytes());
    const hurryFromBytes = limitBytes - leftBytes / 2;
    const expiresAtMs = sentMs + expiresInMs;
    this.#lease = { slot, slots, limitBytes, expiresAtMs, hurryFromBytes };
  }

  nextMs(): number {
    const lease = this.#lease;
    if (!this.wanted) return lease === undefined ? Infinity : soonMs;
    if (lease === undefined) return Math.max(soonMs, this.#askAgainMs - this.#now());
    // Others may have come or gone, whose part is then to be left or taken.
    return Math.max(soonMs, Math.min(5 * soonMs, (lease.expiresAtMs - this.#now()) / 2));
  }

  /** Called often: asks the tracker at once when there is a reason, though not all the time. */
  tick(): void {
    if (!this.#init.hasTracker || !this.wanted || this.#now() < this.#askAgainMs) return;
    const pass = this.#lease;
    const needs = pass === undefined || this.#init.takenBytes() >= pass.hurryFromBytes;
    const knowsSize = this.sizeBytes > 0 && pass?.limitBytes === 0;
    if (this.#isForeign || !(needs || knowsSize)) return;
    if (this.#now() < this.#hurryNotBeforeMs) return;
    const pauseMs = Math.min(hurryMs.most, hurryMs.first * 2 ** this.#hurries++);
    this.#hurryNotBeforeMs = this.#now() + pauseMs;
    this.#init.onHurry();
  }
}
