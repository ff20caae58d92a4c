/** The time, passed in where it decides something. */
export interface Clock {
  /** Milliseconds since 1970, UTC: what dates are compared with. It can be set. */
  readonly now: () => number;
  /**
   * Milliseconds, for periods: it goes on evenly, and is never set. Leases are counted by it. That of a
   * process is the date when it began, and the time since then.
   */
  readonly uptime: () => number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  uptime: () => performance.timeOrigin + performance.now(),
};
