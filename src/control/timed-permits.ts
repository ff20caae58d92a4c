import type { Permit, TimeAnswer } from './messages.ts';

export interface TimedPermitsComponents {
  readonly uptime: () => number;
  /** The fleet's time as this host counts it, in milliseconds since 1970. */
  readonly fleetTimeMs: () => number;
}

export interface TimedPermitsInit {
  /** Asks the tracker what its time is. */
  readonly ask: (asked: number) => void;
  /** The permits with their leases by the fleet's time as this host counts it. */
  readonly hand: (permits: Permit[]) => void;
}

/** A tracker that grants more is mistaken; in milliseconds. */
const longestLeaseMs = 5_000;
/** They are told anew each second: of more that were not answered the oldest are void. */
const mostWaiting = 16;

interface Waiting {
  readonly permits: readonly Permit[];
  /** By `uptime`. */
  readonly askedMs: number;
}

/**
 * Translates leases from a tracker's time to this host's. A lease is what is left of it by a reading of
 * the tracker's time that was asked for after the permit was here, counted from when it was asked. So
 * it does not matter what a clock was set to, how far two trackers are apart, or how long a message lay
 * about while this machine was paused, and a lease never gets longer than it is.
 */
export class TimedPermits {
  readonly #components: TimedPermitsComponents;
  readonly #init: TimedPermitsInit;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  constructor(components: TimedPermitsComponents, init: TimedPermitsInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Permits are here. What takes back, or needs no lease, is handed on at once. */
  take(permits: readonly Permit[]): void {
    const leased = permits.filter(({ action }) => action === 'activate');
    const others = permits.filter(({ action }) => action !== 'activate');
    if (others.length === permits.length) {
      this.#init.hand(others);
      return;
    }
    if (others.length > 0) this.#init.hand(others);
    const asked = ++this.#asked;
    this.#waiting.set(asked, { permits: leased, askedMs: this.#components.uptime() });
    this.#waiting.delete(asked - mostWaiting);
    this.#init.ask(asked);
  }

  /** The tracker has answered. */
  onTime({ asked, leaseTime }: TimeAnswer): void {
    const waiting = this.#waiting.get(asked);
    if (waiting === undefined) return;
    this.#waiting.delete(asked);
    const { uptime, fleetTimeMs } = this.#components;
    // Its time has no fractions of a millisecond.
    const trackerMs = Date.parse(leaseTime) + 1;
    const askedMs = fleetTimeMs() - (uptime() - waiting.askedMs);
    this.#init.hand(waiting.permits.map((permit) => translated(permit, trackerMs, askedMs)));
  }
}

/** @param askedMs the host's time at a moment when the tracker's was not later than `trackerMs` */
function translated(permit: Permit, trackerMs: number, askedMs: number): Permit {
  const { validUntil } = permit;
  if (validUntil === undefined) return permit;
  const leftMs = Math.min(Date.parse(validUntil) - trackerMs, longestLeaseMs);
  return { ...permit, validUntil: new Date(Math.floor(askedMs + leftMs)).toISOString() };
}
