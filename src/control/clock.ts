/** The time, passed in where it decides something. */
export interface Clock {
  /** Milliseconds since 1970, UTC: what dates are compared with. It can be set. */
  readonly now: () => number;
  /** Milliseconds since some moment, for periods: it is never set. */
  readonly uptime: () => number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  uptime: () => performance.now(),
};
